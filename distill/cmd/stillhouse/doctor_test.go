package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDoctorTriesEverythingAndLeavesNothing(t *testing.T) {
	dir := inFolder(t)
	code, out, errs := cli("doctor", "--json", "--dir", filepath.Join(dir, "not", "there", "yet"))
	if code != exitOK || errs != "" {
		t.Fatalf("exit %d, %s\n%s", code, errs, out)
	}
	var d diagnosis
	if err := json.Unmarshal([]byte(out), &d); err != nil {
		t.Fatal(err)
	}
	if !d.OK || len(d.Checks) != 8 {
		t.Errorf("got %+v", d)
	}
	for _, c := range d.Checks {
		if c.Status == broken || c.Detail == "" || c.Status == unwell && c.Fix == "" {
			t.Errorf("%+v", c)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

func TestDoctorFailsWithAFixWhereNothingCanBeWritten(t *testing.T) {
	if _, err := os.Stat("/proc/self"); err != nil {
		t.Skip("needs a folder that nobody can write to, such as Linux's /proc")
	}
	code, out, errs := cli("doctor", "--dir", "/proc")
	if code != exitFailed || !strings.Contains(errs, "not ready") {
		t.Errorf("exit %d, %q", code, errs)
	}
	if !strings.Contains(out, "FAIL  writing") || !strings.Contains(out, "fix: chmod u+w /proc") {
		t.Errorf("no FAIL with a fix:\n%s", out)
	}
}
