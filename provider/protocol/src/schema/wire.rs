//! Between a schema and its form on the wire.
