package distill

import (
	"stillhouse/checkpoints"
)

// ReadResult returns what a run came to, from its folder. The error wraps
// fs.ErrNotExist for a run that is not complete.
func ReadResult(dir string) (*Result, error) {
	folder, err := checkpoints.ViewRun(dir)
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	var r Result
	if err := folder.ReadJSON(resultFile, &r); err != nil {
		return nil, err
	}
	r.Dir, r.Report = dir, folder.Path(checkpoints.ReportFile) // the folder may have moved
	return &r, nil
}

// ReadSeconds returns the wall-clock time that the sessions of a run took.
func ReadSeconds(dir string) (float64, error) {
	folder, err := checkpoints.ViewRun(dir)
	if err != nil {
		return 0, err
	}
	defer folder.Close()
	x := run{folder: folder}
	spent, err := x.timeSpent()
	return spent.Seconds(), err
}
