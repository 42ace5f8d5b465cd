# Reads a part of a file.
# Variables: FILE, OFFSET (bytes before the part), LENGTH (bytes of the part, if there are as many).
# Prints the part in base64, and nothing past the end of the file. Leaves nothing behind. Safe to run twice.

dd if="$FILE" bs=64K iflag=skip_bytes,count_bytes,fullblock skip="$OFFSET" count="$LENGTH" status=none | base64 -w0
