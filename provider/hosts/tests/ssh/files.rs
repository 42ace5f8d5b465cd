//! Files over a connection.

use std::path::Path;

use kubeone_hosts::{Host as _, RemoteFile, Script};

use crate::server::Server;

#[tokio::test]
async fn files_are_written_once_and_read_back() {
    let Some(server) = Server::start() else { return };
    let host = server.host();
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let files = [
        RemoteFile::private("/run/new/folder/key with space", bytes.clone()),
        RemoteFile::public("/run/new/empty", ""),
        RemoteFile::public("/run/new/echo", "echo never run\n"),
    ];
    assert_eq!(host.write_all(&files).await.unwrap(), [true, true, true]);
    assert_eq!(host.write_all(&files).await.unwrap(), [false, false, false]);

    let paths: Vec<&Path> = files.iter().map(|file| file.path.as_path()).chain([Path::new("/run/absent")]).collect();
    let contents = host.read_all(&paths).await.unwrap();
    for (file, content) in files.iter().zip(&contents) {
        assert!(content.as_ref() == Some(&file.content), "{}", file.path.display());
    }
    assert!(contents[3].is_none());

    let list = host.run(&Script::new("list.sh", "find /run/new -printf '%m %U %P\\n' | sort")).await.unwrap();
    assert_eq!(list.stdout, "600 0 folder/key with space\n644 0 echo\n644 0 empty\n755 0 \n755 0 folder\n");
}

#[tokio::test]
async fn a_change_of_content_mode_or_owner_is_seen() {
    let Some(server) = Server::start() else { return };
    let host = server.host();
    let file = RemoteFile::public("/run/file", "one");
    assert!(host.write(&file).await.unwrap());
    assert!(!host.write(&file).await.unwrap());
    assert!(host.write(&RemoteFile::public("/run/file", "two")).await.unwrap());
    assert!(host.write(&RemoteFile::private("/run/file", "two")).await.unwrap());
    assert!(!host.write(&RemoteFile::private("/run/file", "two")).await.unwrap());
    host.run(&Script::new("own.sh", "chown 2000 /run/file")).await.unwrap();
    assert!(host.write(&RemoteFile::private("/run/file", "two")).await.unwrap());
    host.run(&Script::new("link.sh", "mv /run/file /run/other; ln -s other /run/file")).await.unwrap();
    assert!(host.write(&RemoteFile::private("/run/file", "two")).await.unwrap(), "a link is replaced by a file");
}

#[tokio::test]
async fn a_file_that_cannot_be_written_leaves_nothing() {
    let Some(server) = Server::start() else { return };
    let host = server.host();
    host.run(&Script::new("make.sh", "mkdir /run/target")).await.unwrap();
    assert!(host.write(&RemoteFile::public("/run/target", "x")).await.is_err());
    let list = host.run(&Script::new("list.sh", "find /run/target /run/.kubeone* 2>/dev/null || true")).await.unwrap();
    assert_eq!(list.stdout, "/run/target\n");
}

#[tokio::test]
async fn a_file_is_read_in_parts() {
    let Some(server) = Server::start() else { return };
    let host = server.host();
    let bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    host.write(&RemoteFile::private("/run/parts", bytes.clone())).await.unwrap();
    let path = Path::new("/run/parts");
    let mut read = Vec::new();
    for offset in (0..300_000).step_by(70_000) {
        read.extend(host.read_part(path, offset, 70_000).await.unwrap().into_inner());
    }
    assert!(read == bytes);
    assert!(host.read_part(path, 300_000, 1).await.unwrap().expose().is_empty());
    assert!(host.read_part(Path::new("/run/absent"), 0, 1).await.is_err());
}

#[tokio::test]
async fn a_folder_is_not_a_file() {
    let Some(server) = Server::start() else { return };
    assert!(server.host().read(Path::new("/run")).await.is_err());
}

#[tokio::test]
async fn a_large_file_is_no_burden() {
    let Some(server) = Server::start() else { return };
    let bytes: Vec<u8> = (0..=251).cycle().take(50 << 20).collect();
    let begun = std::time::Instant::now();
    let host = server.host();
    assert!(host.write(&RemoteFile::private("/run/large", bytes)).await.unwrap());
    println!("50 MiB in {:?}", begun.elapsed());
    let begun = std::time::Instant::now();
    for part in 0..13_u64 {
        let read = host.read_part(Path::new("/run/large"), part * (4 << 20), 4 << 20).await.unwrap();
        assert_eq!(read.expose().len(), if part < 12 { 4 << 20 } else { 2 << 20 });
    }
    println!("and back in {:?}", begun.elapsed());
}
