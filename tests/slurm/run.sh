#!/usr/bin/env bash
# A study on a real SLURM: jobs queue, one is cancelled, and a training runs into its time limit and goes on in the next job.
#
#     tests/slurm/setup.sh && RASD_DATA=... tests/slurm/run.sh FOLDER [LOG]
#
# Needs the environment of `pip install 'rasd-nnu[study]'` on the PATH. The log says what happened.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
folder=$1
log=${2:-$folder/slurm.log}
mkdir -p "$folder"
cp "$here/study.yaml" "$folder/study.yaml"

say() { echo "$(date +%H:%M:%S) $*" | tee -a "$log"; }

say "$(sinfo --version), snakemake $(snakemake --version)"
rasd_nnu study run "$folder" -- --executor slurm --jobs 4 --slurm-no-account --slurm-status-command squeue \
    --slurm-init-seconds-before-status-checks 5 --default-resources slurm_partition=main \
    > "$folder/run.log" 2>&1 &
run=$!

cancelled=
seen=
while kill -0 $run 2> /dev/null; do
    now=$(squeue -h -o '%i %T %M %l %k' | cut -c1-140)
    if [ "$now" != "$seen" ] && [ -n "$now" ]; then say "queue: $(echo "$now" | tr '\n' ';')"; seen=$now; fi
    if [ -z "$cancelled" ] && compgen -G "$folder/nnUNet_results/*/*/*/fold_*/checkpoint_latest.pth" > /dev/null; then
        cancelled=$(squeue -h -t RUNNING -o %i | head -1)
        [ -n "$cancelled" ] && say "scancel $cancelled" && scancel "$cancelled"
    fi
    sleep 3
done
code=0
wait $run || code=$?
say "the run ended with exit code $code"
rasd_nnu study status "$folder" | tee -a "$log"
say "attempts:"
for state in "$folder"/state/finetune/*.json; do
    say "$(basename "$state" .json): exit codes $(grep -o '"code": [^ ,]*' "$state" | cut -d' ' -f2 | tr '\n' ' ')"
done
grep -h "^stopped by\|stopped by SIG" "$folder"/logs/*/*.log | sed 's/^/  /' | tee -a "$log" || true
exit $code
