// Command start_runit is the entry point of the lab's calico/node image.
//
// The project's image starts a supervisor with shell scripts there. The lab's one does what these do for a node that
// only enforces policies (CALICO_NETWORKING_BACKEND=none): prepare the node once, then run Felix, and keep the token of
// the CNI plugin fresh. When one of the two ends, so does the container.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

const (
	calicoNode   = "/bin/calico-node"
	nodeNameFile = "/var/lib/calico/nodename"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "start_runit:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	if err := program(ctx, "-startup").Run(); err != nil {
		return fmt.Errorf("preparing the node: %w", err)
	}
	name, err := os.ReadFile(nodeNameFile)
	if err != nil {
		return err
	}
	if err := os.Setenv("NODENAME", strings.TrimSpace(string(name))); err != nil {
		return err
	}
	parts := []string{"-felix"}
	if os.Getenv("CALICO_MANAGE_CNI") != "false" {
		parts = append(parts, "-monitor-token")
	}
	ended := make(chan error, len(parts))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, part := range parts {
		go func() { ended <- fmt.Errorf("%s ended: %w", part, runOne(ctx, part)) }()
	}
	err = <-ended
	cancel()
	for range parts[1:] {
		<-ended
	}
	return err
}

func runOne(ctx context.Context, part string) error {
	if err := program(ctx, part).Run(); err != nil {
		return err
	}
	return errors.New("without an error")
}

func program(ctx context.Context, argument string) *exec.Cmd {
	command := exec.CommandContext(ctx, calicoNode, argument)
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = 10 * time.Second
	return command
}
