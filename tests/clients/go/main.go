// The official Go library as a client of a Workload API: fetches SVIDs, waits for a rotation, and
// calls a server over mutual TLS. One line of JSON for each step.
//
//	workload-api-client ADDRESS SPIFFE-ID
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

func main() {
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(address, server string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	// The endpoint is SPIFFE_ENDPOINT_SOCKET's.
	x509, err := workloadapi.FetchX509Context(ctx)
	if err != nil {
		return err
	}
	ids, hints := []string{}, []string{}
	for _, svid := range x509.SVIDs {
		ids, hints = append(ids, svid.ID.String()), append(hints, svid.Hint)
	}
	tell(map[string]any{"ids": ids, "hints": hints, "bundles": x509.Bundles.Len()})

	source, err := workloadapi.NewX509Source(ctx)
	if err != nil {
		return err
	}
	defer source.Close()
	id, err := spiffeid.FromString(server)
	if err != nil {
		return err
	}
	config := tlsconfig.MTLSClientConfig(source, source, tlsconfig.AuthorizeID(id))
	if err := call(config, address); err != nil {
		return err
	}
	first, err := source.GetX509SVID()
	if err != nil {
		return err
	}
	for {
		if err := source.WaitUntilUpdated(ctx); err != nil {
			return err
		}
		next, err := source.GetX509SVID()
		if err != nil {
			return err
		}
		if !next.Certificates[0].Equal(first.Certificates[0]) {
			tell(map[string]any{"rotated": next.ID.String()})
			return call(config, address)
		}
	}
}

func call(config *tls.Config, address string) error {
	transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}
	client := http.Client{Transport: transport, Timeout: 10 * time.Second}
	answer, err := client.Get("https://" + address + "/")
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	tell(map[string]any{"called": server(answer), "status": answer.StatusCode})
	return nil
}

func server(answer *http.Response) string {
	return answer.TLS.PeerCertificates[0].URIs[0].String()
}

func tell(line map[string]any) {
	text, _ := json.Marshal(line)
	fmt.Println(string(text))
}
