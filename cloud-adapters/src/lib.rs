//! What differs between clouds, as data and pure functions: one folder per cloud.
//!
//! **Architecture invariant:** no cloud knows another, and none knows SSH, a network or a Kubernetes client. The engine
//! asks here what a cloud needs and does it itself.
