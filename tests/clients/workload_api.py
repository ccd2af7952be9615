"""The official Python library as a client of a Workload API: fetches SVIDs and waits for a rotation.

One line of JSON for each step. The endpoint is SPIFFE_ENDPOINT_SOCKET's.
"""

import json
import queue

from spiffe import WorkloadApiClient, X509Source


def tell(**line):
    print(json.dumps(line), flush=True)


with WorkloadApiClient() as client:
    context = client.fetch_x509_context()
    tell(
        ids=[str(svid.spiffe_id) for svid in context.x509_svids],
        bundles=len(context.x509_bundle_set.bundles),
    )
    bundles = client.fetch_x509_bundles()
    tell(bundles=[str(bundle.trust_domain) for bundle in bundles.bundles])

with X509Source(timeout_in_seconds=30) as source:
    serials = queue.Queue()
    first = source.get_x509_context().default_svid
    source.subscribe_for_updates(
        lambda: serials.put(source.get_x509_context().default_svid)
    )
    while True:
        svid = serials.get(timeout=60)
        if svid.leaf.serial_number != first.leaf.serial_number:
            tell(rotated=str(svid.spiffe_id))
            break
