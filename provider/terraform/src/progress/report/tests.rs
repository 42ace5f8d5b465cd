//! What the page says of changes that succeed, fail, or are cut off.

use super::*;
use crate::progress::record::{ActionOutcome, Line, Record};
use crate::progress::samples;

/// The course after these lines.
fn course(lines: &[Line]) -> Course {
    let mut course = Course::begin(&lines[0]).unwrap();
    for line in lines {
        course.tell(line);
    }
    course
}

fn page(lines: &[Line]) -> String {
    render(&course(lines), lines.last().unwrap().time).unwrap()
}

#[test]
fn a_success_says_how_long_it_took() {
    let page = page(&samples::succeeded(3, 2));
    assert!(page.contains("<h1>Cluster prod was created in 1 min 25 s</h1>"), "{page}");
    assert!(page.contains("<dd>12 of 12</dd>"));
    assert!(
        page.contains("join worker</td><td class=\"number\">2</td><td class=\"number\">5.2 s</td>"),
        "of 6.1 s and 4.3 s"
    );
    assert!(!page.contains("What remains"));
    assert!(!page.contains("http-equiv=\"refresh\""));
}

#[test]
fn a_failure_is_told_with_its_output_and_what_remains() {
    let page = page(&samples::failed(3, 2));
    assert!(page.contains("w-2: join worker <span class=\"badge failed\">failed after"));
    assert!(page.contains("&lt;not a tag&gt;"), "output is escaped");
    assert!(page.contains("is the load balancer reachable from this host?"));
    assert!(page.contains("not begun</span> <span>cluster: wait until 5 nodes are ready"));
    assert!(!page.contains("<span>w-1: join worker</span>"), "what is done does not remain");
}

#[test]
fn what_hosts_say_is_shown_and_not_obeyed() {
    let mut lines = samples::failed(1, 1);
    let hostile = "</pre></script><script>alert(1)</script>\u{1b}[31m\u{9b}2J\u{202e} {{ css|safe }} \"'";
    for line in &mut lines {
        if let Record::ActionEnded(end) = &mut line.record
            && let Some(failure) = &mut end.failure
        {
            failure.output = vec![hostile.to_owned()];
            failure.causes = vec![hostile.to_owned()];
        }
        if let Record::RunBegan(run) = &mut line.record {
            run.hosts.push(run.hosts[0].clone());
            run.hosts[2].name = hostile.to_owned();
        }
    }
    let page = page(&lines);
    assert_eq!(page.matches("<script>").count(), 1, "the page's own");
    assert!(page.contains("&lt;script&gt;alert(1)"), "{page}");
    assert!(page.contains(r"\u{1b}[31m\u{9b}2J\u{202e}"), "it can be read");
    assert!(!page.contains(|it: char| it.is_control() && it != '\n' || it == '\u{202e}'));
    assert!(
        page.contains("<style>\n") && page.contains(include_str!("report.css")),
        "the page's own style is not escaped"
    );
}

/// Where all hosts fail alike, the first of them say it, and the rest does not push the timeline out of sight.
#[test]
fn of_many_failures_the_first_are_open() {
    let page = page(&many_failures());
    assert_eq!(page.matches("<section class=\"failure\">").count(), 7);
    assert_eq!(page.matches("<summary><h2>w-").count(), 4);
    assert_eq!(page.matches("<pre>[preflight]").count(), 7);
}

/// No worker can join.
fn many_failures() -> Vec<Line> {
    let mut lines = samples::failed(3, 7);
    let ended = |line: &Line| match &line.record {
        Record::ActionEnded(end) => end.failure.clone(),
        _ => None,
    };
    let failure = lines.iter().find_map(ended).unwrap();
    for line in &mut lines {
        if let Record::ActionEnded(end) = &mut line.record
            && end.what.kind == "join_worker"
        {
            (end.outcome, end.failure) = (ActionOutcome::Failed, Some(failure.clone()));
        }
    }
    lines
}

#[test]
fn a_change_under_way_reloads_itself() {
    let page = page(&samples::cut(3, 2));
    assert!(page.contains("http-equiv=\"refresh\""));
    assert!(page.contains("id=\"state\" data-written=\""));
    assert!(page.contains("running</span> <span>cp-2: join control plane"));
}

#[test]
fn the_page_needs_nothing_beside_itself() {
    for lines in [samples::succeeded(3, 2), samples::failed(3, 47), samples::cut(1, 0)] {
        let page = page(&lines);
        for word in ["<link", "<img", "src=", "url(", "@import"] {
            assert!(!page.contains(word), "{word}");
        }
        // Links lead to another place of the page, and each of them finds it.
        for target in page.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            let id = target.strip_prefix('#').unwrap_or_else(|| panic!("{target}"));
            assert!(page.contains(&format!("id=\"{id}\"")), "{target}");
        }
        // minijinja says nothing about braces in CSS or in the script.
        assert!(!page.contains("{{") && !page.contains("{%"));
    }
}

/// The log alone is enough to make the page again.
#[test]
fn a_page_can_be_made_from_the_log() {
    let lines = samples::failed(3, 2);
    let log: Vec<String> = lines.iter().map(|line| serde_json::to_string(line).unwrap()).collect();
    let read: Vec<Line> = log.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(page(&read), page(&lines));
}

#[test]
fn a_thousand_hosts_are_no_burden() {
    let course = course(&samples::succeeded(5, 995));
    let began = std::time::Instant::now();
    let page = render(&course, course.began_at).unwrap();
    assert!(page.len() < 3_000_000, "{} bytes", page.len());
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
}
