#!/bin/bash
# Score one data set with the tasks of a SLURM job array:
#   sbatch --array=0-15 deploy/slurm-array.sh CRITIC DATA OUT [more options of gan-probe score]
# Every task does every 16th shard; the one that finds none missing makes the sample and the summary. A task that was
# killed is submitted again with the same line: what is there is not done again.
#SBATCH --job-name=gan-probe
#SBATCH --cpus-per-task=4
#SBATCH --mem=4G
#SBATCH --time=12:00:00
#SBATCH --requeue
set -eu
if [ "$#" -lt 3 ]; then
    echo "give CRITIC DATA OUT, got $# words." >&2
    exit 2
fi
critic=$1 data=$2 out=$3
shift 3
export OMP_NUM_THREADS="${SLURM_CPUS_PER_TASK:-1}"
first=${SLURM_ARRAY_TASK_MIN:-0}
exec gan-probe score "$critic" "$data" --out "$out" --resume \
    --shard-index "$((SLURM_ARRAY_TASK_ID - first))" --num-shards "$SLURM_ARRAY_TASK_COUNT" "$@"
