package record

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"verifier"
)

// groupWithin is how long after the deploy that founded a group others of its commit join it.
const groupWithin = 10 * time.Minute

// GroupsOver is the stretch before and after a deploy whose deploys of the same commit bear on its group.
const GroupsOver = 24 * time.Hour

// Grouped gives the deploys of a commit their groups, by when they began, and returns those whose group is not what it says.
//
// In each environment the first deploy founds a group and those of the next 10 minutes join it. The group bears the name that the first
// of them was sent with, else the commit; further groups that a commit founds get a number: 9fceb02, 9fceb02/2. A deploy that was sent with a
// group keeps that. Void deploys and those without a commit are left as they are.
func Grouped(deploys []verifier.Deploy) (changed []verifier.Deploy) {
	environments := map[string][]verifier.Deploy{}
	for _, d := range deploys {
		if d.Commit != "" && !d.Void {
			key := strings.ToLower(d.Environment) + "\x1f" + d.Commit
			environments[key] = append(environments[key], d)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(environments)) {
		changed = append(changed, groupedIn(environments[key])...)
	}
	return changed
}

// groupedIn is Grouped for one commit and environment.
func groupedIn(deploys []verifier.Deploy) (changed []verifier.Deploy) {
	slices.SortFunc(deploys, func(a, b verifier.Deploy) int {
		return cmp.Or(a.Began().Compare(b.Began()), strings.Compare(a.ID, b.ID))
	})
	founded := 0 // groups that are named like the commit
	for len(deploys) > 0 {
		until := deploys[0].Began().Add(groupWithin)
		end := slices.IndexFunc(deploys, func(d verifier.Deploy) bool { return d.Began().After(until) })
		if end < 0 {
			end = len(deploys)
		}
		name := sentGroup(deploys[:end])
		if name == "" {
			founded++
			name = commitGroup(deploys[0].Commit, founded)
		}
		for _, d := range deploys[:end] {
			if !groupSent(d) && d.Group != name {
				d.Group, d.Told = name, filledIn(d.Told, "group")
				changed = append(changed, d)
			}
		}
		deploys = deploys[end:]
	}
	return changed
}

// sentGroup is the group that the first of them was sent with; empty where none was.
func sentGroup(members []verifier.Deploy) string {
	for _, d := range members {
		if groupSent(d) {
			return d.Group
		}
	}
	return ""
}

// commitGroup is the name of the n-th group that a commit founds.
func commitGroup(commit string, n int) string {
	if n == 1 {
		return commit
	}
	return fmt.Sprintf("%s/%d", commit, n)
}

// groupSent reports whether a fact said the group; else the record filled it in.
func groupSent(d verifier.Deploy) bool {
	at, told := d.Told["group"]
	return d.Group != "" && !(told && at.IsZero())
}
