#!/usr/bin/env bash
# Checks and measures Salon on a machine with one GPU, in eight minutes at most, without Ray.
#
#   benchmarks/gpu.sh wheels FOLDER    where there is a network: builds into FOLDER what the machine will lack
#   benchmarks/gpu.sh [FOLDER]         on the machine, from the repository: installs FOLDER's wheels beside, and runs
#
# The machine has python3 with torch, transformers, peft and accelerate; nothing is installed into it. What is said goes
# to OUT/gpu.txt, too. DEVICE=cpu does the same on a CPU with the models of the small world. ONLY=tests or ONLY=bench
# does one half. Ends with the number of steps that failed.
set -uo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3} DEVICE=${DEVICE:-cuda} ONLY=${ONLY:-tests bench}
OUT=${OUT:-$(mktemp -d)} BUDGET_S=${BUDGET_S:-480}
CARRIED="diffusers deepspeed hjson py-cpuinfo msgpack einops ninja pydantic pydantic-core annotated-types
  typing-extensions typing-inspection typer shellingham click rich markdown-it-py mdurl pygments jaxtyping
  wadler-lindig beartype pytest pluggy iniconfig pytest-timeout hypothesis sortedcontainers importlib-metadata zipp
  pyyaml psutil"

if [ "${1:-}" = wheels ]; then
  wanted=()
  for name in $CARRIED; do
    found=$("$PYTHON" -c "import importlib.metadata as m, sys; print(m.version(sys.argv[1]))" "$name" 2>/dev/null) &&
      wanted+=("$name==$found")
  done
  # The same versions as here. DeepSpeed has no wheel of its own, and compiles nothing here.
  DS_BUILD_OPS=0 exec "$PYTHON" -m pip wheel --no-deps --no-build-isolation -w "${2:?a folder}" "${wanted[@]}"
fi

mkdir -p "$OUT"
if [ -n "${1:-}" ]; then
  "$PYTHON" -m pip install -q --no-index --no-deps --target "$OUT/site" "$1"/*.whl || exit 1
fi
export PYTHONPATH="$PWD:$OUT/site${PYTHONPATH:+:$PYTHONPATH}"
export SALON_DEVICE=$DEVICE DS_ACCELERATOR=$DEVICE HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false
failed=0

step() {  # step NAME COMMAND...
  local left=$((BUDGET_S - SECONDS)) name=$1
  shift
  echo "== $name" | tee -a "$OUT/gpu.txt"
  if [ "$left" -le 5 ]; then
    echo "left out: the $BUDGET_S s are over" | tee -a "$OUT/gpu.txt"
    failed=$((failed + 1))
    return
  fi
  timeout "$left" "$@" 2>&1 | tee -a "$OUT/gpu.txt" || failed=$((failed + 1))
}

salon() { step "salon $*" "$PYTHON" -m cluster.cli "$@"; }

step "machine" "$PYTHON" -c 'import torch; print("torch", torch.__version__, *(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())))'
for part in $ONLY; do
  if [ "$part" = tests ]; then
    # tests/gpu says what it measures; each of its tests takes the device from SALON_DEVICE.
    step "policy, engine, ratio and judges in three precisions" "$PYTHON" -m pytest tests/gpu -q -s -p no:cacheprovider
  elif [ "$DEVICE" = cpu ]; then
    small=(--device cpu --seconds 0 --steps 4 --set samples_per_prompt=2)
    salon bench configs/menagerie.yaml "${small[@]}"
    salon bench configs/flow.yaml "${small[@]}" --part sampler --part learner
  else
    for dtype in float16 bfloat16 float32; do
      salon bench configs/sd15.yaml --device "$DEVICE" --dtype "$dtype" --steps 20 --seconds 4 --part sampler --part learner
    done
    salon bench configs/sd35.yaml --device "$DEVICE" --set "policy.resolution=[512,512]" --seconds 4 --part sampler --part learner
    salon bench configs/sd15.yaml --device "$DEVICE" --seconds 4 --part judges
  fi
done
echo "$failed steps failed; $SECONDS s; $OUT/gpu.txt" | tee -a "$OUT/gpu.txt"
exit "$failed"
