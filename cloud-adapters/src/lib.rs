//! What differs between clouds, as data and pure functions.
