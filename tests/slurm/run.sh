#!/usr/bin/env bash
# A study on a real SLURM: jobs queue, one is cancelled, and a training runs into its time limit and goes on in the next job.
#
#     tests/slurm/setup.sh && RASD_DATA=... tests/slurm/run.sh FOLDER [LOG]
#
# Needs the environment of `pip install 'rasd-nnu[study]'` on the PATH. BUDGET and LIMIT say how long the trainings are, and
# how long a job may take: less, but enough to load everything and train some epochs. The log says what happened; exit code 0
# if all of it did.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
folder=$1
log=${2:-$folder/slurm.log}
mkdir -p "$folder"
sed "s/^budgets:.*/budgets: [${BUDGET:-400x4}]/; s/time_limit: 4m/time_limit: ${LIMIT:-4m}/" "$here/study.yaml" > "$folder/study.yaml"

say() { echo "$(date +%H:%M:%S) $*" | tee -a "$log"; }

say "$(sinfo --version), snakemake $(snakemake --version)"
rasd_nnu study run "$folder" -- --executor slurm --jobs 4 --slurm-no-account --slurm-requeue \
    --slurm-status-command squeue --slurm-init-seconds-before-status-checks 5 \
    --default-resources slurm_partition=main > "$folder/run.log" 2>&1 &
run=$!

cancelled=
seen=
while kill -0 $run 2> /dev/null; do
    now=$(squeue -h -o '%i %T (%r) %k' | sed -E 's/rule_([a-z]+)_wildcards_/\1 /')
    if [ "$now" != "$seen" ]; then say "queue: $(echo "$now" | tr '\n' ';')"; seen=$now; fi
    if [ -z "$cancelled" ] && compgen -G "$folder/nnUNet_results/*/*/*/fold_*/checkpoint_latest.pth" > /dev/null; then
        cancelled=$(squeue -h -t RUNNING -o '%i %k' | grep finetune | head -1 | cut -d' ' -f1)
        [ -n "$cancelled" ] && say "scancel $cancelled" && scancel "$cancelled"
    fi
    sleep 2
done
code=0
wait $run || code=$?
say "the run ended with exit code $code"
rasd_nnu study status "$folder" | tee -a "$log"
say "attempts, by their exit codes (138: stopped before the time limit, 143: cancelled, null: killed):"
for state in "$folder"/state/finetune/*.json; do
    say "  $(basename "$state" .json): $(grep -o '"code": [^ ,]*' "$state" | cut -d' ' -f2 | tr '\n' ' ')"
done
say "what the trainings said about it:"
grep -hE "stopped by SIG|goes back into the queue|requeue" "$folder"/logs/finetune/*.log | sed 's/^/  /' | tee -a "$log" || true
trainings=$(grep -c '"path"' "$folder/records.json")
say "records: $trainings trainings"
[ "$code" = 0 ] && [ "$trainings" = 2 ] && [ -n "$cancelled" ] && grep -q "goes back into the queue" "$folder"/logs/finetune/*.log
