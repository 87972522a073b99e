package sources

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// names lists what matches the path and, beside each of those, its rotated brothers. What the path names need not exist itself: Serilog
// writes a date into every name. A symbolic link has its brothers beside what it points to, as those of Kubernetes do.
func (f *Files) names() ([]string, error) {
	var out, bases []string
	for _, suffix := range []string{"", ".*", "-*"} {
		list, err := filepath.Glob(f.Path + suffix)
		if err != nil {
			return nil, err
		}
		for _, name := range list {
			if suffix == "" {
				bases = append(bases, name)
			} else if rotated.FindString(name) == "" {
				continue
			}
			out = append(out, name)
		}
	}
	if !strings.ContainsAny(filepath.Base(f.Path), `*?[\`) {
		folders, err := filepath.Glob(filepath.Dir(f.Path))
		if err != nil {
			return nil, err
		}
		for _, folder := range folders {
			bases = append(bases, filepath.Join(folder, filepath.Base(f.Path)))
		}
	}
	listed := map[string][]string{}
	for _, base := range bases {
		for _, name := range []string{base, pointedTo(base)} {
			for _, brother := range brothers(name, listed) {
				if !slices.Contains(out, brother) {
					out = append(out, brother)
				}
			}
		}
	}
	return out, nil
}

// pointedTo is the file that a link leads to, or the name itself.
func pointedTo(name string) string {
	if to, err := filepath.EvalSymlinks(name); err == nil {
		return to
	}
	return name
}

// middle is what loggers write between a name and its ending: app.1.log (NLog, log4net), app.2026-01-31.0.log (logback), app-20260131.log
// (logrotate), app-2026-01-31T10-00-00.000.log (lumberjack), app20260131_001.log (Serilog). A number alone needs a point before it: app-2
// may be another service.
var middle = regexp.MustCompile(`^([.]\d{1,4}|[-._]?\d{8,14}([-._T]?\d{1,9}Z?)*|[-._]?\d{4}[-._]\d{2}([-._T]?\d{1,9}Z?)*|[-._]\d{2}[-._]\d{2}[-._]\d{4}([-._T]\d{1,9})*)$`)

// behind is what stands behind the whole name: app.log.1, app.log.2026-01-31, app.log-20260131, app.log2026-01-31 (log4net), 0.log.20260131-100000.
var behind = regexp.MustCompile(`^([-._]?\d[\d._T:-]*Z?|\.old|\.bak)$`)

// brothers are the rotated files of one that lie beside it. Folders are listed once.
func brothers(name string, listed map[string][]string) (out []string) {
	folder, base := filepath.Split(name)
	if _, known := listed[folder]; !known {
		entries, _ := os.ReadDir(filepath.Clean(folder + "."))
		listed[folder] = []string{}
		for _, e := range entries {
			listed[folder] = append(listed[folder], e.Name())
		}
	}
	ending := filepath.Ext(base)
	stem := strings.TrimSuffix(base, ending)
	if stem == "" {
		return nil
	}
	for _, other := range listed[folder] {
		plain := strings.TrimSuffix(other, logFile{name: other}.packed())
		rest, ours := strings.CutPrefix(plain, base)
		between, same := strings.CutPrefix(strings.TrimSuffix(plain, ending), stem)
		switch {
		case other == base:
		case ours && (rest == "" || behind.MatchString(rest)), same && ending != "" && strings.HasSuffix(plain, ending) && middle.MatchString(between):
			out = append(out, filepath.Join(folder, other))
		}
	}
	return out
}
