//! Look-up of systems and scripts in the folders of this repository.

use super::*;

#[test]
fn every_folder_has_a_manifest_and_an_end() {
    for folder in FOLDERS {
        let os = Os::with_bases(folder).unwrap();
        assert_eq!(os.id(), folder.id);
        assert_eq!(os.chain.last().unwrap().id, COMMON, "{} is based on the common folder", folder.id);
    }
}

#[test]
fn an_unknown_system_is_known_by_what_it_is_like() {
    assert_eq!(Os::lookup("ubuntu", "debian").unwrap().id(), "ubuntu");
    assert_eq!(Os::lookup("linuxmint", "ubuntu debian").unwrap().id(), "ubuntu");
    assert_eq!(Os::lookup("raspbian", "debian").unwrap().id(), "debian");
}

#[test]
fn a_system_we_do_not_have_lists_those_we_have() {
    let error = Os::lookup("plan9", "").err().unwrap().to_string();
    assert_eq!(error, "the operating system `plan9` is not supported; supported are debian, ubuntu");
    assert!(Os::lookup("arch", "").is_err());
}

#[test]
fn the_common_folder_is_not_a_system() {
    assert!(Os::lookup("linux", "").is_err());
    assert!(Os::lookup("void", "linux").is_err());
}

#[test]
fn a_script_comes_from_the_nearest_folder() {
    let chain = vec![
        &Folder { id: "mint", manifest: "", scripts: &[("a.sh", "mint")], functions: &[] },
        &Folder { id: "debian", manifest: "", scripts: &[("a.sh", "debian"), ("b.sh", "debian")], functions: &[] },
    ];
    let os = Os { chain };
    assert_eq!((os.script("a").unwrap().name(), os.script("a").unwrap().body()), ("os/mint/a.sh", "mint"));
    assert_eq!(os.script("b").unwrap().name(), "os/debian/b.sh");
    let error = os.script("c").unwrap_err().to_string();
    assert_eq!(error, "there is no script `c.sh` for the operating system `mint`");
}

#[test]
fn a_script_brings_the_functions_it_names() {
    const SCRIPTS: &[(&str, &str)] =
        &[("a.sh", "# Does it.\n# Functions: b, c.\n\nb; c\n"), ("d.sh", "# Functions: gone.\n")];
    let chain = vec![
        &Folder { id: "mint", manifest: "", scripts: &[], functions: &[("b.sh", "b() { echo mint; }\n")] },
        &Folder {
            id: "debian",
            manifest: "",
            scripts: SCRIPTS,
            functions: &[("b.sh", "b() { echo debian; }\n"), ("c.sh", "c() { b; }\n")],
        },
    ];
    let os = Os { chain };
    let text = os.script("a").unwrap().render().unwrap();
    let text = String::from_utf8(text.into_inner()).unwrap();
    assert!(text.contains("b() { echo mint; }\nc() { b; }\n") && !text.contains("echo debian"), "{text}");
    assert_eq!(os.script("d").unwrap_err().to_string(), "there is no script `gone.sh` for the operating system `mint`");
}
