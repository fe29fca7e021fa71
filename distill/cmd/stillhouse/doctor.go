package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/gofrs/flock"
	"github.com/spf13/cobra"

	"stillhouse/data"
	"stillhouse/distill"
	"stillhouse/layers"
)

// checkup is one thing doctor looked at.
type checkup struct {
	Name   string `json:"name"`
	Status string `json:"status"` // ok, warn or FAIL
	Detail string `json:"detail"`
	Fix    string `json:"fix,omitempty"`
}

const (
	healthy = "ok"
	unwell  = "warn"
	broken  = "FAIL"
)

// diagnosis is the result of doctor.
type diagnosis struct {
	OK     bool      `json:"ok"`
	Checks []checkup `json:"checks"`
}

func (a *app) doctorCommand() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Try out whether this machine can run the method",
		Long: `Doctor tries, rather than lists: it writes, syncs and locks where runs go, reads the
text of the Go distribution, opens the embedded teacher and distils a tiny model,
whose loss must fall by the same bits on one thread and on all. Every failure
comes with what to do; any FAIL ends with exit code 1.`,
		Example: "  stillhouse doctor\n  stillhouse doctor --dir /data/runs --json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			d := a.diagnose(dir)
			if err := a.print(d, func(w io.Writer) { d.text(w) }); err != nil {
				return err
			}
			if !d.OK {
				return &codedError{exitFailed, errors.New("this machine is not ready")}
			}
			return nil
		},
	}
	c.Flags().StringVar(&dir, "dir", runsDir, "`FOLDER` where runs will go")
	return c
}

func (a *app) diagnose(dir string) *diagnosis {
	m := thisMachine(dir)
	d := &diagnosis{OK: true, Checks: []checkup{
		a.checkProcessor(), checkMemory(m), checkDisk(dir, m), checkWriting(dir), checkLocking(dir), checkGoText(), checkTeacher(), a.checkDistillation(),
	}}
	d.OK = !slices.ContainsFunc(d.Checks, func(c checkup) bool { return c.Status == broken })
	return d
}

func (d *diagnosis) text(w io.Writer) {
	for _, c := range d.Checks {
		fmt.Fprintf(w, "%-4s  %-13s %s\n", c.Status, c.Name, c.Detail)
		if c.Fix != "" {
			fmt.Fprintf(w, "%19s fix: %s\n", "", c.Fix)
		}
	}
}

func (a *app) checkProcessor() checkup {
	p := layers.NewPool(a.threads)
	defer p.Close()
	c := checkup{Name: "processor", Status: healthy, Detail: fmt.Sprintf("%s/%s, %s kernels, %d threads", runtime.GOOS, runtime.GOARCH, layers.ISA(), p.Threads())}
	if layers.ISA() == "portable" {
		c.Status, c.Fix = unwell, "training is many times slower without AVX2; run on a processor that has it, with a binary built without -tags purego"
	}
	return c
}

func checkMemory(m machine) checkup {
	c := checkup{Name: "memory", Status: healthy, Detail: fmt.Sprintf("%s, %s free", distill.HumanBytes(m.RAM), distill.HumanBytes(m.Free))}
	switch {
	case m.RAM == 0:
		c.Status, c.Detail, c.Fix = unwell, "the system does not say how much there is", "set limits.max_memory in the recipe; stillhouse plan then checks it"
	case m.Free < 1<<30:
		c.Status, c.Fix = unwell, "close other programs; quickstart takes less than 1 GiB, stillhouse plan RECIPE says what another takes"
	}
	return c
}

func checkDisk(dir string, m machine) checkup {
	c := checkup{Name: "disk", Status: healthy, Detail: fmt.Sprintf("%s free at %s", distill.HumanBytes(m.Disk), existing(dir))}
	const fix = "free some space, or name a folder elsewhere: --set output_dir=DIR"
	switch {
	case m.Disk == 0:
		c.Status, c.Detail = unwell, "the system does not say how much is free"
	case m.Disk < 100<<20:
		c.Status, c.Fix = broken, fix
	case m.Disk < 2<<30:
		c.Status, c.Fix = unwell, fix
	}
	return c
}

// checkWriting writes a file as a checkpoint is written: synced and renamed.
func checkWriting(dir string) checkup {
	at := existing(dir)
	c := checkup{Name: "writing", Status: healthy}
	began := time.Now()
	if err := tryWriting(at); err != nil {
		c.Status, c.Detail = broken, err.Error()
		c.Fix = fmt.Sprintf("chmod u+w %s, or name a folder that can be written: --set output_dir=DIR", at)
		return c
	}
	took := time.Since(began)
	c.Detail = fmt.Sprintf("1 MiB written, synced and renamed at %s in %s", at, duration(took))
	if took > time.Second {
		c.Status, c.Fix = unwell, "a slow disk makes checkpoints slow: a longer checkpoint.every, or a local output_dir"
	}
	return c
}

func tryWriting(at string) (err error) {
	tmp, err := os.MkdirTemp(at, ".doctor-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	f, err := os.Create(filepath.Join(tmp, "new"))
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, 1<<20))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), filepath.Join(tmp, "old"))
}

// checkLocking takes the lock that keeps two processes out of one run, twice.
func checkLocking(dir string) checkup {
	c := checkup{Name: "locking", Status: healthy, Detail: "a second process is kept out of a run"}
	tmp, err := os.MkdirTemp(existing(dir), ".doctor-")
	if err != nil {
		c.Status, c.Detail, c.Fix = broken, err.Error(), "as for writing"
		return c
	}
	defer os.RemoveAll(tmp)
	one, two := flock.New(filepath.Join(tmp, "lock")), flock.New(filepath.Join(tmp, "lock"))
	first, err1 := one.TryLock()
	second, err2 := two.TryLock()
	if err := errors.Join(err1, err2, one.Close(), two.Close()); err != nil || !first || second {
		c.Status, c.Detail = broken, fmt.Sprintf("locks do not hold here (%v)", err)
		c.Fix = "put runs on a local disk: --set output_dir=DIR"
	}
	return c
}

func checkGoText() checkup {
	c := checkup{Name: "Go text", Status: healthy, Detail: "the source {source: go} can be read"}
	_, err := data.Sample(data.Config{Sources: []data.SourceConfig{{Source: "go", Weight: 1}}, SequenceLen: 64, LossOn: data.All}, 1<<16)
	if err != nil {
		c.Status = unwell
		c.Detail, c.Fix = splitHint(err.Error())
	}
	return c
}

func checkTeacher() checkup {
	c := checkup{Name: "teacher", Status: healthy}
	const text = "func main() { return }\nπ ≈ 3.14159 🙂"
	l, err := distill.LoadModel("embedded:teacher")
	switch {
	case err != nil:
		c.Status, c.Detail = broken, err.Error()
	case l.Tokenizer.Decode(l.Tokenizer.Encode(text)) != text:
		c.Status, c.Detail = broken, "its tokenizer changes text"
	default:
		c.Detail = fmt.Sprintf("embedded:teacher opens, %d layers, %s parameters", l.Model.Config.Layers(), distill.HumanCount(int64(l.Model.Size())))
	}
	if c.Status == broken {
		c.Fix = "the binary is damaged: download or build it again"
	}
	return c
}

// microSteps are enough for the loss to fall to a fraction.
const microSteps = 40

func (a *app) checkDistillation() checkup {
	c := checkup{Name: "distillation", Status: healthy}
	began := time.Now()
	all, one := layers.NewPool(a.threads), layers.NewPool(1)
	defer all.Close()
	defer one.Close()
	losses, err := distill.MicroDistillation(all, microSteps)
	if err != nil {
		c.Status, c.Detail, c.Fix = broken, err.Error(), "please report it, with the output of stillhouse version"
		return c
	}
	again, err := distill.MicroDistillation(one, microSteps)
	first, last := losses[0], losses[len(losses)-1]
	c.Detail = fmt.Sprintf("loss %.2g → %.2g in %d steps, the same bits on one thread, %s", first, last, microSteps, duration(time.Since(began)))
	switch {
	case err != nil || !slices.Equal(losses, again):
		c.Status, c.Detail = broken, "one thread and all give different bits"
		c.Fix = "a processor or memory fault is likely: run a memory test"
	case !(last < first/2):
		c.Status, c.Detail = broken, fmt.Sprintf("the loss went from %.2g to %.2g in %d steps: training does nothing here", first, last, microSteps)
		c.Fix = "please report it, with the output of stillhouse version"
	}
	return c
}
