// Command labtool is what scenarios run in pods: a small server, and the clients that look at it.
//
//	labtool serve [ADDRESS]                answers every HTTP request with the host name (default :8080)
//	labtool get URL [TIMEOUT]              prints the answer, fails on anything but status 200
//	labtool resolve NAME [TIMEOUT]         prints the addresses of a name, one per line
//	labtool connect HOST:PORT [TIMEOUT]    succeeds when a TCP connection can be made
//	labtool sleep [DURATION]               waits, for ever by default
//
// Timeouts and durations are written like 5s; a timeout is 5s where none is given.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const defaultTimeout = 5 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "labtool:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string) error {
	if len(arguments) == 0 {
		return errors.New("expected serve, get, resolve, connect or sleep")
	}
	command, first, second := arguments[0], argument(arguments, 1), argument(arguments, 2)
	switch command {
	case "serve":
		return serve(ctx, first)
	case "sleep":
		return sleep(ctx, first)
	}
	timeout, err := duration(second, defaultTimeout)
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	switch command {
	case "get":
		return get(limited, first)
	case "resolve":
		return resolve(limited, first)
	case "connect":
		return connect(limited, first)
	default:
		return fmt.Errorf("unknown command %q", command)
	}
}

func serve(ctx context.Context, address string) error {
	if address == "" {
		address = ":8080"
	}
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	server := &http.Server{
		Addr:              address,
		ReadHeaderTimeout: defaultTimeout,
		Handler: http.HandlerFunc(func(answer http.ResponseWriter, _ *http.Request) {
			fmt.Fprintln(answer, host)
		}),
	}
	context.AfterFunc(ctx, func() { server.Close() })
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func get(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(os.Stdout, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", url, answer.Status)
	}
	return nil
}

func resolve(ctx context.Context, name string) error {
	addresses, err := net.DefaultResolver.LookupHost(ctx, name)
	for _, address := range addresses {
		fmt.Println(address)
	}
	return err
}

func connect(ctx context.Context, address string) error {
	var dialer net.Dialer
	connection, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return connection.Close()
}

func sleep(ctx context.Context, text string) error {
	if text == "" {
		<-ctx.Done()
		return nil
	}
	length, err := duration(text, 0)
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case <-time.After(length):
	}
	return nil
}

func argument(arguments []string, index int) string {
	if index < len(arguments) {
		return arguments[index]
	}
	return ""
}

func duration(text string, otherwise time.Duration) (time.Duration, error) {
	if text == "" {
		return otherwise, nil
	}
	return time.ParseDuration(text)
}
