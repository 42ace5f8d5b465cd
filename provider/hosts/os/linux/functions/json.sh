# Functions that print JSON, whatever bytes are in what they are given. Each prints one line without its end.
# Variables: none.
# Leaves nothing behind. Safe to run twice.

# quote TEXT [VARIABLE]: TEXT as a JSON string, into the variable where one is named: a subshell costs more than the work. Bytes from 0x80 up stay as they are: the reader makes something of those that are not
# UTF-8, and none of them can end a string.
quote() {
  local text=$1 code character
  text=${text//\\/\\\\}
  text=${text//\"/\\\"}
  text=${text//$'\n'/\\n}
  text=${text//$'\t'/\\t}
  if [[ $text == *[[:cntrl:]]* ]]; then
    for code in {1..31} 127; do
      printf -v code '%02x' "$code"
      printf -v character '%b' "\\x$code"
      text=${text//"$character"/\\u00$code}
    done
  fi
  if [[ ${2-} ]]; then printf -v "$2" '"%s"' "$text"; else printf '"%s"' "$text"; fi
}

# member NAME VALUE: a line for `object`; VALUE is JSON already.
member() {
  local name
  quote "$1" name
  printf '%s:%s\n' "$name" "$2"
}

# joined: the lines on stdin, with commas between them.
joined() {
  local line separator=
  while IFS= read -r line; do
    printf '%s%s' "$separator" "$line"
    separator=,
  done
}

# object: the members on stdin, one per line, as a JSON object.
object() {
  printf '{%s}' "$(joined)"
}

# strings: the texts on stdin, each ended by NUL, as a JSON list.
strings() {
  local text separator=
  printf '['
  while IFS= read -r -d '' text; do
    printf '%s' "$separator"
    quote "$text"
    separator=,
  done
  printf ']'
}

# lines: the lines on stdin as a JSON list.
lines() {
  local line separator=
  printf '['
  while IFS= read -r line || [[ -n $line ]]; do
    printf '%s' "$separator"
    quote "$line"
    separator=,
  done
  printf ']'
}
