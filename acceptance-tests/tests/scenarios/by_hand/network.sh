# Lets pods of this host reach those of the others: flannel carries the packets, the plain bridge plugin has the pods.
# Variables: POD_SUBNET (of this host).
# Leaves behind: /etc/cni/net.d/10-bridge.conflist.

mkdir -p /etc/cni/net.d
cat >/etc/cni/net.d/10-bridge.conflist <<JSON
{
  "cniVersion": "1.0.0",
  "name": "pods",
  "plugins": [
    {
      "type": "bridge", "bridge": "cni0", "isGateway": true, "mtu": 1450, "hairpinMode": true,
      "ipam": { "type": "host-local", "ranges": [[{ "subnet": "$POD_SUBNET" }]], "routes": [{ "dst": "10.244.0.0/16" }, { "dst": "0.0.0.0/0" }] }
    },
    { "type": "portmap", "snat": true, "capabilities": { "portMappings": true } }
  ]
}
JSON
