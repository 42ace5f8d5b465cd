//! What keeps the API reachable while API servers restart, and controllers quick afterwards.

use kubeone_spec::ClusterSpec;

use crate::control_plane::{Component, ControlPlane};

pub(crate) fn contribute(_: &ClusterSpec, desired: &mut ControlPlane) {
    // A terminating API server fails /readyz for as long as load balancers need to notice, then closes its watches. Both
    // together end before the kubelet's 30 seconds do; without the second, watchers keep the server for all of them.
    desired.argument(Component::ApiServer, "shutdown-delay-duration", "10s");
    desired.argument(Component::ApiServer, "shutdown-watch-termination-grace-period", "5s");
    // With its default of 20 requests a second it needs five seconds to create credentials for all its controllers.
    desired.argument(Component::ControllerManager, "kube-api-qps", "100");
    desired.argument(Component::ControllerManager, "kube-api-burst", "200");
}
