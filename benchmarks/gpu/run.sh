#!/usr/bin/env bash
# What only a GPU can tell, in parts of at most 9 minutes each. Stopped, killed or called again, it goes on with what is
# missing.
#
#   RASD_DATA=... bash benchmarks/gpu/run.sh [--smoke] [PART ...]
#
# Parts, all of them by default:
#   engine       time and memory of the synthesis engine, and its floor
#   step         time and memory of a pre-training iteration, for all networks
#   pretrain-2d  20,000 steps of nnU-Net's plain 2D network at full width
#   pretrain-3d  the same in 3D
#   few-labels   the arms of few_labels.yaml on three tasks with five labelled cases, compared (needs rasd-nnu[study])
# Small JSON goes to benchmarks/results/gpu; weights worth keeping to $GPU_WORK/weights (default: ~/rasd_gpu).
# --smoke runs all parts on a CPU, a few steps of each, with its results under $GPU_WORK.
#
# Exit code: 0 when all is done, 75 when a part used its time up and wants another call.
set -euo pipefail
cd "$(dirname "$0")/../.."

PYTHON=${PYTHON:-python}
RASD_NNU=$(dirname "$(command -v "$PYTHON")")/rasd_nnu
WORK=${GPU_WORK:-$HOME/rasd_gpu}
LIMIT=${GPU_LIMIT:-530} # seconds a part may take
DEVICE=cuda RESULTS=benchmarks/results/gpu STEPS=20000 STUDY=few_labels
ENGINE=() STEP=(--missing) SIZE_2D=() SIZE_3D=()

if [ "${1:-}" = --smoke ]; then
  shift
  DEVICE=cpu RESULTS=$WORK/results STEPS=3 STUDY=few_labels_smoke
  ENGINE=(--smoke) STEP=(--only plain-8_40x56x40_b2 --runs 1 --threads 1)
  SIZE_2D=(--patch 32 --batch-size 2 --save-every 1)
  SIZE_3D=(--patch 16 --batch-size 1 --save-every 1)
fi
mkdir -p "$WORK/done" "$WORK/weights" "$RESULTS"

# Run a command for at most the limit; what it saved until then is kept, and the next call goes on.
within_limit() {
  local code=0
  timeout --signal=INT --kill-after=30 "$LIMIT" "$@" || code=$?
  case $code in
    0) ;;
    124 | 130 | 137)
      echo "$part used its $LIMIT s up; call again to go on"
      exit 75
      ;;
    *)
      echo "$part failed with exit code $code" >&2
      exit "$code"
      ;;
  esac
}

# Pre-train the plain network of so many dimensions, and keep how loss and accuracy went.
pretrain() {
  local dims=$1 weights=$WORK/weights/plain_$1.pth
  shift
  within_limit "$RASD_NNU" pretrain -d "$dims" --iterations "$STEPS" --device "$DEVICE" --resume \
    --out "$weights" "$@"
  cp "$WORK/weights/plain_$dims.run_report.json" "$RESULTS/pretrain_$dims.json"
}

# Fine-tune the arms of a study and compare them.
study() {
  local folder=$WORK/$STUDY
  mkdir -p "$folder"
  cp "benchmarks/gpu/$STUDY.yaml" "$folder/study.yaml"
  within_limit "$RASD_NNU" study run "$folder"
  cp "$folder/comparison.json" "$RESULTS/few_labels.json"
}

run_part() {
  case $part in
    engine) within_limit "$PYTHON" benchmarks/engine.py --device "$DEVICE" --out "$RESULTS/engine.json" "${ENGINE[@]}" ;;
    step) within_limit "$PYTHON" benchmarks/step.py --device "$DEVICE" --out "$RESULTS/step.json" "${STEP[@]}" ;;
    pretrain-2d) pretrain 2d "${SIZE_2D[@]}" ;;
    pretrain-3d) pretrain 3d "${SIZE_3D[@]}" ;;
    few-labels) study ;;
    *)
      echo "unknown part $part, expected engine, step, pretrain-2d, pretrain-3d or few-labels" >&2
      exit 2
      ;;
  esac
}

[ $# -gt 0 ] || set -- engine step pretrain-2d pretrain-3d few-labels
for part in "$@"; do
  [ -e "$WORK/done/$part" ] && { echo "$part: done before"; continue; }
  echo "== $part"
  run_part
  touch "$WORK/done/$part"
done
