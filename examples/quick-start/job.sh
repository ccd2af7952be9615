#!/bin/sh
# Runs a command with a credential that lives exactly as long as the command, and shows the record of it.
set -eu
taskpass=${TASKPASS:-taskpass}

"$taskpass" run --task deploy-docs --param ref=refs/heads/main -- sh -c '
  echo "job $TASKPASS_JOB_ID has: $(ls "$TASKPASS_CREDENTIALS_DIR")"
'
"$taskpass" job list
"$taskpass" audit list
