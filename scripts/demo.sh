#!/usr/bin/env bash
# `make demo`: records the three-tier shop under load; leaves a case, one HTML file and an executed notebook.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PWD/.venv/bin:$PATH
case=$PWD/demo-case
shop=$(mktemp -d -t clew-demo-XXXXXX)
trap 'rm -rf "$shop"' EXIT

echo "demo: making the shop's database"
python -m clew.demo --prepare --folder "$shop"
rm -rf "$case" demo.html demo.ipynb
echo "demo: recording nginx, the application, PostgreSQL and their customers"
clew record -o "$case" -- python -m clew.demo --folder "$shop" "$@"
clew counts "$case" --by command --limit 8
echo "demo: making the report and the notebook"
clew report "$case" -o demo.html
sed 's#\.\./datasets/three-tier#demo-case#' notebooks/01_who_does_what.ipynb >demo.ipynb
jupyter nbconvert --log-level ERROR --to notebook --execute --inplace --ExecutePreprocessor.store_widget_state=False \
	demo.ipynb 2>"$shop/notebook.log" || {
	cat "$shop/notebook.log" >&2
	exit 1
}
cat <<END

The report, one file for any browser:   $PWD/demo.html
The notebook, executed on this case:    $PWD/demo.ipynb   (make lab opens JupyterLab)
END
