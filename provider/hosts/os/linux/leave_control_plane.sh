# Takes this control plane out of service in good order: its API server answers what it was asked and ends, as do the
# controller manager and the scheduler, and its etcd hands the leadership over if it has it. etcd itself goes on.
# Functions: etcd_member.
# Variables: API_PORT (of the API server on this host), SUCCESSOR (decimal id of the member of etcd that shall lead).
# Leaves behind: a host whose only static pod is etcd. Safe to run twice.

rm -f /etc/kubernetes/manifests/kube-{apiserver,controller-manager,scheduler}.yaml
# An API server that does not end within a minute is ended with the rest of the host.
while ((SECONDS < 60)) && curl --silent --insecure --max-time 1 --output /dev/null "https://127.0.0.1:$API_PORT/livez"; do
  sleep 0.1
done
hand_over_leadership "$SUCCESSOR"
