//! Verbs over the Kubernetes API and the addons applied through it.
