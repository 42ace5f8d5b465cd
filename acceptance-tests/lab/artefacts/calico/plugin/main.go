// Command plugin is Calico's CNI plugin, used as a library, with one repair in front of it.
//
// Calico writes the API server's address into the plugin's kubeconfig in brackets, also when it is IPv4, and rewrites
// it whenever the token is renewed. From Go 1.26 on such an address is no valid URL, so the plugin would refuse its own
// configuration; the images of the project are built with an older Go. The repair removes the brackets before it starts.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"

	"github.com/projectcalico/calico/cni-plugin/pkg/ipamplugin"
	"github.com/projectcalico/calico/cni-plugin/pkg/plugin"
)

const version = "v3.28.5-lab"

var bracketedIPv4 = regexp.MustCompile(`://\[(\d+\.\d+\.\d+\.\d+)\]`)

func main() {
	if err := repairKubeconfig(); err != nil {
		fmt.Fprintln(os.Stderr, "calico:", err)
		os.Exit(1)
	}
	if filepath.Base(os.Args[0]) == "calico-ipam" {
		ipamplugin.Main(version)
		return
	}
	plugin.Main(version)
}

// repairKubeconfig reads the network configuration from standard input, as a plugin gets it, repairs the kubeconfig it
// names, and puts the configuration back for the plugin to read.
func repairKubeconfig() error {
	if os.Getenv("CNI_COMMAND") == "" {
		return nil
	}
	configuration, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	if err := putBack(configuration); err != nil {
		return err
	}
	var network struct {
		Kubernetes struct {
			Kubeconfig string `json:"kubeconfig"`
		} `json:"kubernetes"`
	}
	if json.Unmarshal(configuration, &network) != nil || network.Kubernetes.Kubeconfig == "" {
		return nil // nothing to repair; the plugin itself says what is wrong with its input
	}
	path := network.Kubernetes.Kubeconfig
	before, err := os.ReadFile(path)
	if err != nil {
		return nil // likewise
	}
	after := bracketedIPv4.ReplaceAll(before, []byte("://$1"))
	if bytes.Equal(before, after) {
		return nil
	}
	draft := fmt.Sprintf("%s.%d.draft", path, os.Getpid())
	if err := os.WriteFile(draft, after, 0o600); err != nil {
		return err
	}
	return os.Rename(draft, path)
}

func putBack(input []byte) error {
	reader, writer, err := os.Pipe()
	if err != nil {
		return err
	}
	os.Stdin = reader
	go func() {
		writer.Write(input)
		writer.Close()
	}()
	return nil
}
