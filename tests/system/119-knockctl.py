# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether what knockctl has printed as JSON is true: 119-knockctl.py FILE EXPRESSION

FILE holds a list of objects. The expression is Python; in it rows is that list and row the first.
"""

import json
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    rows = json.load(file)
assert isinstance(rows, list) and all(isinstance(row, dict) for row in rows), rows
true = eval("(%s)" % sys.argv[2], {"rows": rows, "row": rows[0] if rows else None})
if not true:
    print(json.dumps(rows, indent=1))
sys.exit(0 if true else 1)
