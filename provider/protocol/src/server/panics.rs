//! Panics as messages to the user and as log lines.

use std::any::Any;
use std::cell::RefCell;

use crate::Diagnostic;

thread_local! {
    /// Where the last panic of this thread was. A payload does not say; only the hook is told.
    static LAST_LOCATION: RefCell<Option<String>> = const { RefCell::new(None) };
}

pub(super) fn install_hook() {
    std::panic::set_hook(Box::new(|info| {
        let location = info.location().map(ToString::to_string);
        let backtrace = std::backtrace::Backtrace::capture();
        tracing::error!(location, message = describe(info.payload()), backtrace = %backtrace, "panic");
        LAST_LOCATION.with(|last| *last.borrow_mut() = location);
    }));
}

pub(super) fn describe(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "unknown panic".to_owned())
}

/// To be called on the thread that panicked, so that the location is at hand.
pub(super) fn diagnostic(what: &str) -> Diagnostic {
    let location = LAST_LOCATION.with(|last| last.borrow_mut().take());
    let place = location.map(|location| format!(" at {location}")).unwrap_or_default();
    Diagnostic::bug("the provider failed unexpectedly", format!("It panicked{place}: {what}"))
}
