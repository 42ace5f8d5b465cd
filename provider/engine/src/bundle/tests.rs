//! What is written comes back as it was; what was damaged on the way does not come back at all.

use std::fs;

use age::secrecy::ExposeSecret as _;
use kubeone_facts::{SnapshotCause, SnapshotContent};
use kubeone_spec::Secret;
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::write::CopyError;
use super::*;

fn snapshot(database: &[u8]) -> Snapshot {
    let content = SnapshotContent {
        taken_at: "2026-01-02T03:04:05Z".to_owned(),
        revision: 7,
        size: database.len() as u64,
        sha256: hex::encode(Sha256::digest(database)),
        kubernetes_version: "1.36.3".to_owned(),
        etcd_version: "3.6.8-0".to_owned(),
    };
    Snapshot {
        // The longest name a cluster can have.
        name: format!("{}-20260102T030405Z-r7-v1.36.3", "x".repeat(63)),
        cluster: "x".repeat(63),
        cluster_uid: "1".to_owned(),
        host: "cp-1".to_owned(),
        cause: SnapshotCause::Trigger("a".to_owned()),
        content,
    }
}

fn keys() -> Vec<RemoteFile> {
    vec![
        RemoteFile::public("/etc/kubernetes/pki/ca.crt", "certificate"),
        RemoteFile::private("/etc/kubernetes/pki/ca.key", "very secret"),
    ]
}

/// A pair of keys: the public one, and the private one as `age-keygen` writes it.
fn pair() -> (String, Vec<Identity>) {
    let key = age::x25519::Identity::generate();
    let text = format!("# created: today\n{}\n", key.to_string().expose_secret());
    (key.to_public().to_string(), Identity::parse_all(&Secret::new(text)).unwrap())
}

fn copy(folder: &TempDir, database: &[u8], seal: Option<Seal>) -> PathBuf {
    let copy = NewCopy { folder: folder.path().join("new/folder"), snapshot: snapshot(database), seal };
    write(&copy, database).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn content_of(bundle: &Bundle) -> Vec<u8> {
    let mut bytes = Vec::new();
    bundle.database().unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn an_encrypted_copy_comes_back_whole() {
    let (folder, (recipient, identities), (_, others)) = (TempDir::new().unwrap(), pair(), pair());
    let database = vec![7; 200_000];
    let path = copy(&folder, &database, Some(Seal::new(&[recipient], keys()).unwrap()));
    assert_eq!(names(path.parent().unwrap()), [path.file_name().unwrap().to_str().unwrap()]);
    let raw = fs::read(&path).unwrap();
    assert!(!raw.windows(11).any(|window| window == b"very secret" || window == [7; 11]));

    let bundle = open(&path, &[others.clone(), identities].concat()).unwrap();
    assert_eq!(bundle.snapshot, snapshot(&database));
    assert_eq!(bundle.files, keys());
    assert_eq!(content_of(&bundle), database);
    assert_eq!(content_of(&bundle), database, "a second time");
    assert!(!format!("{bundle:?}").contains("very secret"));

    let error = open(&path, &others).unwrap_err();
    assert!(matches!(error, BundleError::WrongIdentity { .. }), "{error}");
    let error = open(&path, &[]).unwrap_err();
    assert!(matches!(error, BundleError::NoIdentity { .. }), "{error}");
}

#[test]
fn each_recipient_opens_it() {
    let (folder, (first, one), (second, two)) = (TempDir::new().unwrap(), pair(), pair());
    let path = copy(&folder, b"data", Some(Seal::new(&[first, second], keys()).unwrap()));
    assert_eq!(open(&path, &one).unwrap().files, open(&path, &two).unwrap().files);
}

#[test]
fn a_plain_copy_is_two_files_for_their_owner_alone() {
    let folder = TempDir::new().unwrap();
    let path = copy(&folder, b"data", None);
    let description = path.with_extension("json");
    let folder = path.parent().unwrap();
    assert_eq!(names(folder).len(), 2);
    for path in [&path, &description] {
        let bundle = open(path, &[]).unwrap();
        assert_eq!((bundle.snapshot.clone(), bundle.files.len()), (snapshot(b"data"), 0));
        assert_eq!(content_of(&bundle), b"data");
    }
    #[cfg(unix)]
    for (path, mode) in [(&*path, 0o600), (&*description, 0o600), (folder, 0o700)] {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, mode, "{}", path.display());
    }
    fs::remove_file(&description).unwrap();
    let error = open(&path, &[]).unwrap_err();
    assert!(matches!(error, BundleError::NotABundle { .. }), "{error}");
}

#[test]
fn what_is_no_bundle_is_said_so() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.age");
    let open = || open(&path, &pair().1).unwrap_err();
    assert!(matches!(open(), BundleError::Read { .. }));
    fs::write(&path, "something else").unwrap();
    assert!(matches!(open(), BundleError::NotABundle { .. }));
    fs::write(&path, "").unwrap();
    assert!(matches!(open(), BundleError::Truncated { .. }));
    fs::write(&path, "age-encryption.org/v1\nnothing").unwrap();
    assert!(matches!(open(), BundleError::Damaged { .. } | BundleError::Truncated { .. }));
}

/// It is encrypted for us, but not by us.
#[test]
fn what_others_have_sealed_is_not_trusted() {
    let folder = TempDir::new().unwrap();
    for (path, accepted) in [
        ("etc/kubernetes/x", true),
        ("../etc/x", false),
        ("x", false),
        ("etc/ssh/sshd_config", false),
        ("root/.ssh/authorized_keys", false),
        ("etc/kubernetes/manifests/x.yaml", false),
        ("etc/kubernetes/kubelet.conf", false),
    ] {
        let (recipient, identities) = pair();
        let mut file = File::create(folder.path().join("x.age")).unwrap();
        let recipient: age::x25519::Recipient = recipient.parse().unwrap();
        let encryptor = age::Encryptor::with_recipients(std::iter::once(&recipient as _)).unwrap();
        let mut archive = tar::Builder::new(encryptor.wrap_output(&mut file).unwrap());
        let mut add = |name: &str, data: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_size(data.len() as u64);
            header.set_mode(0o4777);
            header.set_cksum();
            archive.append(&header, data).unwrap();
        };
        add("a.json", &serde_json::to_vec(&snapshot(b"data")).unwrap());
        add(path, b"");
        add("a.db", b"data");
        archive.into_inner().unwrap().finish().unwrap();
        match open(&folder.path().join("x.age"), &identities) {
            Ok(bundle) => assert!(accepted && bundle.files[0].mode == 0o644, "{path}"),
            Err(error) => assert!(!accepted && error.to_string().contains(path), "{path}: {error}"),
        }
    }
}

#[test]
fn what_the_host_has_instead_is_not_copied() {
    for seal in [None, Some(Seal::new(&[pair().0], keys()).unwrap())] {
        let folder = TempDir::new().unwrap();
        let copy = NewCopy { folder: folder.path().to_owned(), snapshot: snapshot(b"data"), seal };
        for other in [&b"dat"[..], b"date", b"data and more"] {
            assert!(matches!(write(&copy, other), Err(CopyError::Damaged)));
            assert_eq!(names(folder.path()), Vec::<String>::new());
        }
    }
}

#[test]
fn a_copy_is_made_again_over_the_first_and_over_what_was_left() {
    let folder = TempDir::new().unwrap();
    let path = copy(&folder, b"data", None);
    fs::write(path.parent().unwrap().join(format!(".{}.new", path.file_name().unwrap().to_str().unwrap())), "x")
        .unwrap();
    fs::write(&path, "half").unwrap();
    assert_eq!(content_of(&open(&copy(&folder, b"data", None), &[]).unwrap()), b"data");
    assert_eq!(names(path.parent().unwrap()).len(), 2);
}

#[test]
fn a_host_does_not_choose_where_its_snapshot_is_copied() {
    let folder = TempDir::new().unwrap();
    for name in ["../x", "a/b", ".x", "a b", ""] {
        let snapshot = Snapshot { name: name.to_owned(), ..snapshot(b"data") };
        let copy = NewCopy { folder: folder.path().join("in"), snapshot, seal: None };
        assert!(matches!(write(&copy, &b"data"[..]), Err(CopyError::Name { .. })), "{name}");
        assert_eq!(names(folder.path()), Vec::<String>::new());
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let copy = NewCopy { folder: folder.path().join("file/copies"), snapshot: snapshot(b"data"), seal: None };
    assert!(write(&copy, &b"data"[..]).unwrap_err().to_string().contains("file/copies"));
}

#[test]
fn keys_are_read_and_never_printed() {
    let text = pair().1;
    assert_eq!(format!("{text:?}"), "[***]");
    for wrong in
        ["", "# only a comment", "AGE-SECRET-KEY-1QQQ", "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aq"]
    {
        let error = Identity::parse_all(&Secret::new(wrong.to_owned())).unwrap_err().to_string();
        assert!(wrong.is_empty() || !error.contains(wrong), "{error}");
    }
}

/// One copy of each kind, and how many bytes it has.
struct Samples {
    folder: TempDir,
    identities: Vec<Identity>,
    sealed: Vec<u8>,
    plain: PathBuf,
}

impl Samples {
    fn new() -> Self {
        let (folder, (recipient, identities)) = (TempDir::new().unwrap(), pair());
        let path = copy(&folder, b"data of etcd", Some(Seal::new(&[recipient], keys()).unwrap()));
        let plain = copy(&folder, b"data of etcd", None);
        Self { sealed: fs::read(path).unwrap(), folder, identities, plain }
    }

    fn open(&self, bytes: &[u8]) -> Result<Bundle, BundleError> {
        let path = self.folder.path().join("damaged.age");
        fs::write(&path, bytes).unwrap();
        open(&path, &self.identities)
    }
}

#[test]
fn a_copy_that_was_cut_is_refused_wherever_it_was_cut() {
    let samples = Samples::new();
    let all = samples.sealed.len();
    for length in (0..all).step_by(13).chain(all - 20..all) {
        let error = samples.open(&samples.sealed[..length]).expect_err("it was cut");
        assert!(!matches!(error, BundleError::Read { .. } | BundleError::NoIdentity { .. }), "at {length}: {error:?}");
    }
    let whole = fs::read(&samples.plain).unwrap();
    for length in 0..whole.len() {
        fs::write(&samples.plain, &whole[..length]).unwrap();
        assert!(matches!(open(&samples.plain, &[]), Err(BundleError::Truncated { .. })), "at {length}");
    }
}

mod properties {
    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 5, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_damage_is_seen(position: prop::sample::Index, bit in 0..8u8, more in prop::collection::vec(any::<u8>(), 1..9)) {
            thread_local!(static SAMPLES: Samples = Samples::new());
            SAMPLES.with(|samples| {
                let mut bytes = samples.sealed.clone();
                bytes[position.index(samples.sealed.len())] ^= 1 << bit;
                prop_assert!(samples.open(&bytes).is_err(), "one bit");
                prop_assert!(samples.open(&[&samples.sealed[..], &more].concat()).is_err(), "bytes behind it");
                prop_assert!(samples.open(&samples.sealed).is_ok());
                let mut bytes = b"data of etcd".to_vec();
                bytes[position.index(12)] ^= 1 << bit;
                fs::write(&samples.plain, bytes).unwrap();
                let is_seen = matches!(open(&samples.plain, &[]), Err(BundleError::Damaged { .. }));
                prop_assert!(is_seen, "the plain copy");
                Ok(())
            })?;
        }
    }
}
