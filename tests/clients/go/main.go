// The official Go library as a client of a Workload API: fetches SVIDs, waits for a rotation, and
// calls a server over mutual TLS. Also as a verifier of JWT-SVIDs. One line of JSON for each step.
//
//	workload-api-client ADDRESS SPIFFE-ID
//	workload-api-client verify TRUST-DOMAIN KEY-SET-FILE AUDIENCE TOKEN
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/jwtbundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

func main() {
	if err := perform(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func perform(arguments []string) error {
	if len(arguments) == 5 && arguments[0] == "verify" {
		return verify(arguments[1], arguments[2], arguments[3], arguments[4])
	}
	return run(arguments[0], arguments[1])
}

func verify(domain, keySet, audience, token string) error {
	trustDomain, err := spiffeid.TrustDomainFromString(domain)
	if err != nil {
		return err
	}
	bundle, err := jwtbundle.Load(trustDomain, keySet)
	if err != nil {
		return err
	}
	svid, err := jwtsvid.ParseAndValidate(token, bundle, []string{audience})
	if err != nil {
		return err
	}
	tell(map[string]any{"id": svid.ID.String(), "audience": svid.Audience})
	return nil
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
