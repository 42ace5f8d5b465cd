// Command wrapper stands in front of the unmodified runc on machines whose root lacks CAP_SYS_RESOURCE.
//
// Without that capability a process cannot lower its oom_score_adj, and runc gives up on every container that asks for
// a negative one, as all pod sandboxes do. The wrapper raises such a value to 0 in what runc is about to read: the
// bundle's config.json, and the file that `exec --process` names. Then it becomes the real runc.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const realRunc = "/usr/libexec/kubeone-lab/runc"

// The bit of CAP_SYS_RESOURCE in the capability sets of /proc/self/status.
const capSysResource = 24

func main() {
	if !mayLowerScore() {
		if err := raiseScores(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, "runc wrapper:", err)
			os.Exit(1)
		}
	}
	err := syscall.Exec(realRunc, append([]string{"runc"}, os.Args[1:]...), os.Environ())
	fmt.Fprintf(os.Stderr, "runc wrapper: %s: %v\n", realRunc, err)
	os.Exit(1)
}

func mayLowerScore() bool {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(status)) {
		if value, found := strings.CutPrefix(line, "CapEff:"); found {
			set, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
			return err == nil && set&(1<<capSysResource) != 0
		}
	}
	return false
}

func raiseScores(arguments []string) error {
	if bundle := option(arguments, "bundle", "b"); bundle != "" {
		return rewrite(filepath.Join(bundle, "config.json"), func(spec map[string]any) map[string]any {
			process, _ := spec["process"].(map[string]any)
			return process
		})
	}
	if file := option(arguments, "process", "p"); file != "" {
		return rewrite(file, func(process map[string]any) map[string]any { return process })
	}
	return nil
}

// option answers the value of an option in any of the ways runc accepts it.
func option(arguments []string, long, short string) string {
	for index, word := range arguments {
		for _, name := range []string{"--" + long, "-" + long, "-" + short} {
			if value, found := strings.CutPrefix(word, name+"="); found {
				return value
			}
			if word == name && index+1 < len(arguments) {
				return arguments[index+1]
			}
		}
	}
	return ""
}

// rewrite changes the file only where the process it describes asks for a negative score.
func rewrite(path string, process func(map[string]any) map[string]any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var document map[string]any
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	// Numbers keep their digits: some of them do not fit a float.
	decoder.UseNumber()
	if err := decoder.Decode(&document); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	wanted := process(document)
	score, isNumber := wanted["oomScoreAdj"].(json.Number)
	if !isNumber || !strings.HasPrefix(score.String(), "-") {
		return nil
	}
	wanted["oomScoreAdj"] = 0
	changed, err := json.Marshal(document)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	// A file beside it, then a rename: runc and the shim never see half of it.
	draft := path + ".draft"
	if err := os.WriteFile(draft, changed, info.Mode().Perm()); err != nil {
		return err
	}
	return os.Rename(draft, path)
}
