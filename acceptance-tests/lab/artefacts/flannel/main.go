// Command flanneld gives pods of one cluster a network over VXLAN (and the other back ends that need no cloud).
//
// It is the lab's own composition of flannel's packages: the subnet manager that reads pod subnets from the Kubernetes
// API, and every back end except two: tencentvpc (its dependencies are not available as modules) and udp (needs cgo).
// It takes flanneld's own options as far as a cluster needs them, so the manifests for the real image fit it too.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"github.com/flannel-io/flannel/pkg/backend"
	_ "github.com/flannel-io/flannel/pkg/backend/alloc"
	_ "github.com/flannel-io/flannel/pkg/backend/extension"
	_ "github.com/flannel-io/flannel/pkg/backend/hostgw"
	_ "github.com/flannel-io/flannel/pkg/backend/ipip"
	_ "github.com/flannel-io/flannel/pkg/backend/ipsec"
	_ "github.com/flannel-io/flannel/pkg/backend/vxlan"
	_ "github.com/flannel-io/flannel/pkg/backend/wireguard"
	"github.com/flannel-io/flannel/pkg/ip"
	"github.com/flannel-io/flannel/pkg/ipmatch"
	"github.com/flannel-io/flannel/pkg/subnet/kube"
	"github.com/flannel-io/flannel/pkg/trafficmngr"
	"github.com/flannel-io/flannel/pkg/trafficmngr/iptables"
	"github.com/flannel-io/flannel/pkg/trafficmngr/nftables"
	"k8s.io/klog/v2"
)

const subnetFile = "/run/flannel/subnet.env"

type options struct {
	ipMasquerade     bool
	interfaceNames   stringList
	interfaceRegexes stringList
	publicIP         string
	networkConfig    string
	kubeconfig       string
	annotationPrefix string
	resyncSeconds    int
}

type stringList []string

func (list *stringList) String() string { return strings.Join(*list, ",") }

func (list *stringList) Set(value string) error {
	*list = append(*list, value)
	return nil
}

func main() {
	opts, err := parseOptions()
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		err = run(ctx, opts)
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "flanneld:", err)
		os.Exit(1)
	}
}

// parseOptions reads the command line, then FLANNELD_<OPTION> variables for options that the command line leaves out.
func parseOptions() (options, error) {
	var opts options
	var kubeSubnetManager bool
	klog.InitFlags(flag.CommandLine)
	flag.BoolVar(&kubeSubnetManager, "kube-subnet-mgr", false, "take pod subnets from the Kubernetes API (required here)")
	flag.BoolVar(&opts.ipMasquerade, "ip-masq", false, "masquerade traffic that leaves the pod network")
	flag.Var(&opts.interfaceNames, "iface", "interface between hosts, by name or address; may be repeated")
	flag.Var(&opts.interfaceRegexes, "iface-regex", "interface between hosts, by pattern; may be repeated")
	flag.StringVar(&opts.publicIP, "public-ip", "", "address under which other nodes reach this one")
	flag.StringVar(&opts.networkConfig, "net-config-path", "/etc/kube-flannel/net-conf.json", "network configuration file")
	flag.StringVar(&opts.kubeconfig, "kubeconfig-file", "", "kubeconfig; the service account when empty")
	flag.StringVar(&opts.annotationPrefix, "kube-annotation-prefix", "flannel.alpha.coreos.com", "prefix of node annotations")
	flag.IntVar(&opts.resyncSeconds, "iptables-resync", 5, "seconds between checks of the firewall rules")
	flag.Parse()

	given := map[string]bool{}
	flag.Visit(func(f *flag.Flag) { given[f.Name] = true })
	var err error
	flag.VisitAll(func(f *flag.Flag) {
		variable := "FLANNELD_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		if value := os.Getenv(variable); value != "" && !given[f.Name] && err == nil {
			err = f.Value.Set(value)
		}
	})
	if err == nil && !kubeSubnetManager {
		err = errors.New("only --kube-subnet-mgr is supported")
	}
	return opts, err
}

func run(ctx context.Context, opts options) error {
	ctx, cancel := context.WithCancel(ctx)
	var workers sync.WaitGroup
	defer workers.Wait()
	defer cancel()

	subnets, err := kube.NewSubnetManager(ctx, "", opts.kubeconfig, opts.annotationPrefix, opts.networkConfig, true)
	if err != nil {
		return fmt.Errorf("subnet manager: %w", err)
	}
	config, err := subnets.GetNetworkConfig(ctx)
	if err != nil {
		return fmt.Errorf("network configuration: %w", err)
	}
	external, err := externalInterface(opts, config.EnableIPv4, config.EnableIPv6)
	if err != nil {
		return fmt.Errorf("interface between hosts: %w", err)
	}
	chosen, err := backend.NewManager(ctx, subnets, external).GetBackend(config.BackendType)
	if err != nil {
		return fmt.Errorf("back end %s: %w", config.BackendType, err)
	}
	network, err := chosen.RegisterNetwork(ctx, &workers, config)
	if err != nil {
		return fmt.Errorf("registering with the network: %w", err)
	}

	// Rules of the other kind may be left from an earlier configuration.
	if err := trafficManager(!config.EnableNFTables).CleanUp(ctx); err != nil {
		return fmt.Errorf("removing unused firewall rules: %w", err)
	}
	traffic := trafficManager(config.EnableNFTables)
	if err := traffic.Init(ctx); err != nil {
		return fmt.Errorf("firewall: %w", err)
	}
	if opts.ipMasquerade {
		// No earlier subnet is passed in: the lab's nodes keep theirs for as long as they live.
		none4, none6 := ip.IP4Net{}, ip.IP6Net{}
		err := traffic.SetupAndEnsureMasqRules(ctx, config.Network, none4, none4,
			config.IPv6Network, none6, none6, network.Lease(), opts.resyncSeconds, false)
		if err != nil {
			return fmt.Errorf("masquerade rules: %w", err)
		}
	}
	traffic.SetupAndEnsureForwardRules(ctx, config.Network, config.IPv6Network, opts.resyncSeconds)

	lease := network.Lease()
	if err := subnets.HandleSubnetFile(subnetFile, config, opts.ipMasquerade, lease.Subnet, lease.IPv6Subnet, network.MTU()); err != nil {
		return fmt.Errorf("writing %s: %w", subnetFile, err)
	}
	workers.Go(func() { network.Run(ctx) })
	if err := subnets.CompleteLease(ctx, lease, &workers); err != nil {
		return fmt.Errorf("keeping the lease: %w", err)
	}
	<-ctx.Done()
	return nil
}

func externalInterface(opts options, ipv4, ipv6 bool) (*backend.ExternalInterface, error) {
	family, err := ipmatch.GetIPFamily(ipv4, ipv6)
	if err != nil {
		return nil, err
	}
	public := ipmatch.PublicIPOpts{PublicIP: opts.publicIP}
	if len(opts.interfaceNames)+len(opts.interfaceRegexes) == 0 {
		return ipmatch.LookupExtIface(opts.publicIP, "", "", family, public)
	}
	var failures []error
	for _, name := range opts.interfaceNames {
		found, err := ipmatch.LookupExtIface(name, "", "", family, public)
		if err == nil && found != nil {
			return found, nil
		}
		failures = append(failures, err)
	}
	for _, regex := range opts.interfaceRegexes {
		found, err := ipmatch.LookupExtIface("", regex, "", family, public)
		if err == nil && found != nil {
			return found, nil
		}
		failures = append(failures, err)
	}
	return nil, errors.Join(append(failures, errors.New("no interface matches"))...)
}

func trafficManager(nft bool) trafficmngr.TrafficManager {
	if nft {
		return &nftables.NFTablesManager{}
	}
	return &iptables.IPTablesManager{}
}
