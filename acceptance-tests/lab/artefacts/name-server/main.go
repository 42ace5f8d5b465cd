// Command name-server answers hosts that have no way out: it knows the names of the stand-ins and says of every other
// name, at once, that it does not exist. Without an answer each lookup would take five seconds.
//
//	name-server LISTEN-ADDRESS ANSWER-ADDRESS NAME...
package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

const secondsToLive = 60

type zone struct {
	address netip.Addr
	names   map[string]bool
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "name-server:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) < 2 {
		return errors.New("expected: LISTEN-ADDRESS ANSWER-ADDRESS NAME...")
	}
	address, err := netip.ParseAddr(arguments[1])
	if err != nil {
		return err
	}
	known := zone{address: address, names: map[string]bool{}}
	for _, name := range arguments[2:] {
		known.names[name+"."] = true
	}
	connection, err := net.ListenPacket("udp", arguments[0])
	if err != nil {
		return err
	}
	return serve(connection, known)
}

func serve(connection net.PacketConn, known zone) error {
	packet := make([]byte, 4096)
	for {
		length, client, err := connection.ReadFrom(packet)
		if err != nil {
			return err
		}
		// What is no question gets no answer, and a client that has gone is no failure.
		if answer, err := known.answer(packet[:length]); err == nil {
			_, _ = connection.WriteTo(answer, client)
		}
	}
}

func (known zone) answer(packet []byte) ([]byte, error) {
	var parser dnsmessage.Parser
	header, err := parser.Start(packet)
	if err != nil {
		return nil, err
	}
	question, err := parser.Question()
	if err != nil || header.Response {
		return nil, errors.New("not a question")
	}
	answer := dnsmessage.Message{
		Header: dnsmessage.Header{
			ID:                 header.ID,
			Response:           true,
			Authoritative:      true,
			RecursionDesired:   header.RecursionDesired,
			RecursionAvailable: true,
		},
		Questions: []dnsmessage.Question{question},
	}
	isKnown := known.names[strings.ToLower(question.Name.String())]
	switch {
	case !isKnown:
		answer.Header.RCode = dnsmessage.RCodeNameError
	case question.Type == dnsmessage.TypeA && known.address.Is4():
		answer.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: question.Name, Class: question.Class, TTL: secondsToLive},
			Body:   &dnsmessage.AResource{A: known.address.As4()},
		}}
	}
	return answer.Pack()
}
