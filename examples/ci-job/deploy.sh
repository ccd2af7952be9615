#!/bin/sh
# A CI step. The ref comes from the CI system; policy decides which refs may deploy.
set -eu
taskpass=${TASKPASS:-taskpass}
ref=${CI_REF:-refs/heads/main}
target=${DOCS_API:?where to publish: a URL}

exec "$taskpass" run --task deploy-docs --param "ref=$ref" -- sh -eu -c '
  # Read at the moment of use: the file holds the newest token while the step runs.
  curl --fail --silent --show-error --request PUT \
       --header "Authorization: Bearer $(cat "$TASKPASS_CREDENTIALS_DIR/docs-api")" \
       --data "site" "$1"
' publish "$target"
