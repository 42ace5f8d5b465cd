//! Asks again and again while a scenario goes on, and tells afterwards what was not answered, and for how long.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};

mod api;
mod http;
mod quorum;
mod workload;

pub use api::Request;

/// When nobody answers, questions stay open until they give up; more of them at once would tell nothing more.
const MOST_OPEN: usize = 32;

/// A probe under way. Dropped, it ends.
#[derive(Debug)]
pub struct Probe {
    stop: Arc<AtomicBool>,
    asker: Option<JoinHandle<()>>,
    samples: Arc<Mutex<Vec<Sample>>>,
    what: &'static str,
}

/// One question; times are since the probe began.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sample {
    begun: Duration,
    ended: Duration,
    failure: Option<String>,
}

/// A time without answers: from the first question that got none until the next answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// Since the probe began.
    pub begun: Duration,
    pub duration: Duration,
    pub unanswered: usize,
    /// What went wrong first.
    pub failure: String,
}

/// What a probe saw.
#[derive(Debug)]
pub struct Report {
    pub what: &'static str,
    pub asked: usize,
    pub unanswered: usize,
    pub outages: Vec<Outage>,
    pub slowest: Duration,
    pub duration: Duration,
}

impl Probe {
    /// Asks at this pace, however long answers take. The question is `Err` with a few words where it got no answer.
    fn begin(what: &'static str, pace: Duration, ask: impl Fn() -> Result<(), String> + Send + Sync + 'static) -> Self {
        let (stop, ask) = (Arc::new(AtomicBool::new(false)), Arc::new(ask));
        let samples: Arc<Mutex<Vec<Sample>>> = Arc::default();
        let (told, kept) = (Arc::clone(&stop), Arc::clone(&samples));
        let asker = std::thread::spawn(move || {
            let started = Instant::now();
            let mut questions: Vec<JoinHandle<()>> = Vec::new();
            let mut next = started;
            while !told.load(Ordering::Relaxed) {
                let (done, open) = std::mem::take(&mut questions).into_iter().partition(JoinHandle::is_finished);
                questions = open;
                settle(done);
                if questions.len() < MOST_OPEN {
                    let (ask, kept) = (Arc::clone(&ask), Arc::clone(&kept));
                    questions.push(std::thread::spawn(move || {
                        let begun = started.elapsed();
                        let failure = ask().err();
                        let sample = Sample { begun, ended: started.elapsed(), failure };
                        kept.lock().unwrap_or_else(PoisonError::into_inner).push(sample);
                    }));
                }
                next += pace;
                std::thread::sleep(next.saturating_duration_since(Instant::now()));
            }
            settle(questions);
        });
        Self { stop, asker: Some(asker), samples, what }
    }

    /// Ends it. Somebody must have asked something.
    pub fn end(mut self) -> Result<Report> {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(asker) = self.asker.take() {
            asker.join().map_err(|_| anyhow!("the probe of {} died", self.what))?;
        }
        let samples = std::mem::take(&mut *self.samples.lock().unwrap_or_else(PoisonError::into_inner));
        ensure!(!samples.is_empty(), "the probe of {} asked nothing", self.what);
        Ok(Report::of(self.what, samples))
    }
}

/// A question that panicked has left no sample, which the count would hide: let it be seen.
fn settle(questions: Vec<JoinHandle<()>>) {
    for question in questions {
        if let Err(panic) = question.join() {
            std::panic::resume_unwind(panic);
        }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Report {
    fn of(what: &'static str, mut samples: Vec<Sample>) -> Self {
        samples.sort_by_key(|sample| sample.begun);
        let mut outages: Vec<Outage> = Vec::new();
        let mut lasting: Option<Outage> = None;
        for sample in &samples {
            match (&sample.failure, &mut lasting) {
                (Some(_), Some(outage)) => {
                    outage.unanswered += 1;
                    outage.duration = outage.duration.max(sample.ended.saturating_sub(outage.begun));
                }
                (Some(failure), None) => {
                    let duration = sample.ended.saturating_sub(sample.begun);
                    lasting = Some(Outage { begun: sample.begun, duration, unanswered: 1, failure: failure.clone() });
                }
                (None, Some(_)) => {
                    outages.extend(
                        lasting
                            .take()
                            .map(|outage| Outage { duration: sample.ended.saturating_sub(outage.begun), ..outage }),
                    );
                }
                (None, None) => {}
            }
        }
        outages.extend(lasting);
        let answered = samples.iter().filter(|sample| sample.failure.is_none());
        Self {
            what,
            asked: samples.len(),
            unanswered: samples.iter().filter(|sample| sample.failure.is_some()).count(),
            outages,
            slowest: answered.map(|sample| sample.ended.saturating_sub(sample.begun)).max().unwrap_or_default(),
            duration: samples.iter().map(|sample| sample.ended).max().unwrap_or_default(),
        }
    }

    pub fn longest_outage(&self) -> Duration {
        self.outages.iter().map(|outage| outage.duration).max().unwrap_or_default()
    }

    /// All outages together.
    pub fn outage(&self) -> Duration {
        self.outages.iter().map(|outage| outage.duration).sum()
    }

    /// Passes when everything was answered.
    pub fn must_have_no_outage(&self) -> Result<()> {
        self.must_have_no_outage_longer_than(Duration::ZERO)
    }

    pub fn must_have_no_outage_longer_than(&self, limit: Duration) -> Result<()> {
        ensure!(self.longest_outage() <= limit, "{self}");
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, asked, unanswered, outages, .. } = self;
        write!(f, "{what}: {} of {asked} answered", asked - unanswered)?;
        write!(f, " in {:.0} s, slowest {:.2} s", self.duration.as_secs_f64(), self.slowest.as_secs_f64())?;
        for Outage { begun, duration, unanswered, failure } in outages {
            let (begun, duration) = (begun.as_secs_f64(), duration.as_secs_f64());
            write!(f, "; no answer for {duration:.1} s after {begun:.1} s ({unanswered} questions: {failure})")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(begun: u64, ended: u64, answered: bool) -> Sample {
        let time = Duration::from_millis;
        Sample { begun: time(begun), ended: time(ended), failure: (!answered).then(|| "refused".to_owned()) }
    }

    #[test]
    fn an_outage_lasts_until_the_next_answer() {
        // In the order they ended, which is not the one they began in.
        let samples = [(0, 10, true), (200, 210, false), (300, 320, true), (100, 1100, false), (400, 410, true)];
        let report = Report::of("it", samples.map(|(begun, ended, answered)| sample(begun, ended, answered)).into());
        assert_eq!((report.asked, report.unanswered), (5, 2));
        assert_eq!(report.outages.len(), 1);
        assert_eq!(report.longest_outage(), Duration::from_millis(220));
        assert!(report.must_have_no_outage().is_err());
        assert!(report.must_have_no_outage_longer_than(Duration::from_millis(220)).is_ok());
    }

    #[test]
    fn an_outage_that_never_ends_counts() {
        let report = Report::of("it", vec![sample(0, 10, true), sample(100, 2100, false)]);
        assert_eq!(report.outage(), Duration::from_secs(2));
        assert_eq!(report.slowest, Duration::from_millis(10));
    }

    #[test]
    fn a_probe_keeps_its_pace_while_answers_take_their_time() {
        let probe = Probe::begin("it", Duration::from_millis(10), || {
            std::thread::sleep(Duration::from_millis(100));
            Ok(())
        });
        std::thread::sleep(Duration::from_millis(200));
        let report = probe.end().unwrap();
        assert!(report.asked > 5, "{report}");
        assert!(report.must_have_no_outage().is_ok());
    }
}
