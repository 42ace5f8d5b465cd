//! Asks a registry which content an image has, by the protocol that all of them speak.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use sha2::{Digest as _, Sha256};

/// An image for several platforms, or for one.
const KINDS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, \
                     application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";

/// The digest of an image as its registry has it now: of what was received, so that no claim has to be believed.
pub(super) fn digest(image: &str) -> Result<String> {
    let (registry, path, tag) = parts(image)?;
    let server = if registry == "docker.io" { "registry-1.docker.io" } else { registry };
    digest_at(&format!("https://{server}"), path, tag)
}

fn parts(image: &str) -> Result<(&str, &str, &str)> {
    let (registry, rest) = image.split_once('/').context("it has no registry")?;
    let (path, tag) = rest.rsplit_once(':').context("it has no tag")?;
    ensure!(registry.contains(['.', ':']), "its registry `{registry}` is not the name of a server");
    Ok((registry, path, tag))
}

fn digest_at(server: &str, path: &str, tag: &str) -> Result<String> {
    let url = format!("{server}/v2/{path}/manifests/{tag}");
    let mut answer = ask(&url, None)?;
    if answer.status == 401 {
        let challenge =
            answer.header("www-authenticate").context("the registry asks for a login and does not say for which")?;
        let token = token(&challenge)?;
        answer = ask(&url, Some(&token))?;
    }
    ensure!(answer.status == 200, "{url} answers {}", answer.status);
    let digest = format!("sha256:{}", hex::encode(Sha256::digest(&answer.body)));
    if let Some(said) = answer.header("docker-content-digest") {
        ensure!(said == digest, "the registry calls it {said}, and what came is {digest}");
    }
    Ok(digest)
}

/// An anonymous token, as `Bearer realm="…",service="…",scope="…"` asks for it.
fn token(challenge: &str) -> Result<String> {
    let fields = challenge.trim().strip_prefix("Bearer ").context("the registry asks for another kind of login")?;
    let field = |name: &str| {
        let start = fields.find(&format!("{name}=\""))? + name.len() + 2;
        fields[start..].split('"').next()
    };
    let realm = field("realm").context("the registry does not say where tokens are")?;
    let query: Vec<_> =
        ["service", "scope"].iter().filter_map(|name| Some(format!("{name}={}", field(name)?))).collect();
    let answer = ask(&format!("{realm}?{}", query.join("&")), None)?;
    ensure!(answer.status == 200, "{realm} answers {}", answer.status);
    let answer: serde_json::Value = serde_json::from_slice(&answer.body).context("the token is not JSON")?;
    let token = answer["token"].as_str().or(answer["access_token"].as_str());
    token.map(str::to_owned).context("there is no token in the answer")
}

struct Answer {
    status: u16,
    headers: String,
    body: Vec<u8>,
}

impl Answer {
    /// Of the last server, where one redirected to the next.
    fn header(&self, name: &str) -> Option<String> {
        let mut named = self.headers.lines().filter_map(|line| line.split_once(':'));
        named.rfind(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
    }
}

fn ask(url: &str, token: Option<&str>) -> Result<Answer> {
    // Plain HTTP is for a registry on this very machine, which a test is.
    let protocols = if url.starts_with("http://127.0.0.1:") { "=http" } else { "=https" };
    let folder = tempfile::tempdir().context("could not create a temporary folder")?;
    let (headers, body) = (folder.path().join("headers"), folder.path().join("body"));
    let mut curl = Command::new("curl");
    curl.args(["--proto", protocols, "--proto-redir", protocols, "--silent", "--show-error", "--location"]);
    curl.args([
        "--max-time",
        "60",
        "--retry",
        "2",
        "--header",
        &format!("Accept: {KINDS}"),
        "--write-out",
        "%{http_code}",
    ]);
    curl.arg("--dump-header").arg(&headers).arg("--output").arg(&body).args(["--config", "-", url]);
    let output = run_with_input(
        &mut curl,
        &token.map_or_else(String::new, |it| format!("header = \"Authorization: Bearer {it}\"\n")),
    )?;
    if !output.status.success() {
        bail!("{url}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let status = String::from_utf8_lossy(&output.stdout).trim().parse().context("curl did not say how it ended")?;
    Ok(Answer {
        status,
        headers: fs::read_to_string(&headers).unwrap_or_default(),
        body: fs::read(&body).unwrap_or_default(),
    })
}

/// What is secret goes over stdin: every process can read arguments.
fn run_with_input(command: &mut Command, input: &str) -> Result<std::process::Output> {
    use std::io::Write as _;
    use std::process::Stdio;
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("could not start curl")?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes()).context("could not write to curl")?;
    }
    child.wait_with_output().context("could not wait for curl")
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    const MANIFEST: &str = "{\"schemaVersion\":2}";

    /// Answers so many requests: with `answer`, given the first line and the headers.
    fn server(requests: usize, answer: impl Fn(&str, &str) -> String + Send + 'static) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        thread::spawn(move || {
            for connection in listener.incoming().take(requests) {
                let mut connection = connection.unwrap();
                let lines = BufReader::new(connection.try_clone().unwrap()).lines().map(Result::unwrap);
                let request: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
                connection.write_all(answer(&request[0], &request.join("\n")).as_bytes()).unwrap();
            }
        });
        address
    }

    fn response(status: &str, headers: &str, body: &str) -> String {
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n{body}", body.len())
    }

    fn of_manifest() -> String {
        format!("sha256:{}", hex::encode(Sha256::digest(MANIFEST)))
    }

    #[test]
    fn the_digest_is_that_of_what_came() {
        if test_programs::programs(["curl"]).is_none() {
            return;
        }
        let address = server(1, |line, all| {
            assert_eq!(line, "GET /v2/coredns/coredns/manifests/v1 HTTP/1.1");
            assert!(all.contains("application/vnd.oci.image.index.v1+json"), "{all}");
            response("200 OK", "", MANIFEST)
        });
        assert_eq!(digest_at(&address, "coredns/coredns", "v1").unwrap(), of_manifest());
    }

    #[test]
    fn a_registry_that_calls_it_something_else_is_not_believed() {
        if test_programs::programs(["curl"]).is_none() {
            return;
        }
        let address = server(1, |_, _| response("200 OK", "Docker-Content-Digest: sha256:00\r\n", MANIFEST));
        let error = digest_at(&address, "a", "1").unwrap_err();
        assert!(error.to_string().contains("calls it sha256:00"), "{error}");
    }

    #[test]
    fn a_token_is_asked_for_where_one_is_needed() {
        if test_programs::programs(["curl"]).is_none() {
            return;
        }
        let tokens = server(1, |line, _| {
            assert_eq!(line, "GET /token?service=registry&scope=repository:a:pull HTTP/1.1");
            response("200 OK", "", "{\"token\":\"abc\"}")
        });
        let challenge = format!(
            "WWW-Authenticate: Bearer realm=\"{tokens}/token\",service=\"registry\",scope=\"repository:a:pull\"\r\n"
        );
        let address = server(2, move |_, all| {
            if all.contains("Authorization: Bearer abc") {
                response("200 OK", &format!("Docker-Content-Digest: {}\r\n", of_manifest()), MANIFEST)
            } else {
                response("401 Unauthorized", &challenge, "{}")
            }
        });
        assert_eq!(digest_at(&address, "a", "1").unwrap(), of_manifest());
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        if test_programs::programs(["curl"]).is_none() {
            return;
        }
        let address = server(1, |_, _| response("404 Not Found", "", "{}"));
        let error = digest_at(&address, "a", "1").unwrap_err();
        assert!(error.to_string().ends_with("/v2/a/manifests/1 answers 404"), "{error}");
    }

    #[test]
    fn an_image_has_registry_path_and_tag() {
        assert_eq!(parts("registry.k8s.io/coredns/coredns:v1").unwrap(), ("registry.k8s.io", "coredns/coredns", "v1"));
        for bad in ["pause:3.10", "library/pause:3.10", "registry.k8s.io/pause"] {
            assert!(parts(bad).is_err(), "{bad}");
        }
    }
}
