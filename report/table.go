package report

import "strings"

// table is one of the report's tables: a name, then figures.
type table struct {
	Title string
	Head  []string
	Rows  []tableRow
	Bars  bool // with a bar for each row's rate
}

type tableRow struct {
	Cells []string
	Links [6]string // of the cells, where they lead somewhere: deploys, rollbacks and failed ones
	Bar   float64   // share of the highest rate in the table
	Now   bool      // the report's own month
}

func (r Report) tables() []table {
	var tables []table
	if len(r.Rows) > 0 {
		t := table{Title: "By " + r.By, Head: head(strings.ToUpper(r.By[:1]) + r.By[1:])}
		for _, row := range r.Rows {
			cells := r.tableRow(r.name(row.Name), r.Month, row.Name, row.Figures)
			if row.Name == "" {
				cells.Links = [6]string{} // no filter says "none"
			}
			t.Rows = append(t.Rows, cells)
		}
		tables = append(tables, t)
	}
	if len(r.Before) > 0 {
		t := table{Title: "Months", Head: head("Month")}
		for _, m := range r.Before {
			t.Rows = append(t.Rows, r.tableRow(m.Month, m.Month, "", m.Figures))
		}
		now := r.tableRow(r.Month, r.Month, "", r.Figures)
		now.Now = true
		t.Rows = append(t.Rows, now)
		tables = append(tables, t)
	}
	for i := range tables {
		tables[i].Bars = true
		tables[i].scale()
	}
	if len(r.Rules) > 0 {
		tables = append(tables, r.ruleTable())
	}
	return tables
}

func head(first string) []string {
	return []string{first, "Deploys", "Rollbacks", "Rate", "95 % interval", "Failed"}
}

func (r Report) tableRow(title, month, name string, f Figures) tableRow {
	row := tableRow{Cells: []string{title, number(f.Deploys), number(f.Rollbacks), f.percent(), f.between(), number(f.FailedDeploys)}}
	row.Links = [6]string{1: r.link(month, "", "succeeded", name), 2: r.link(month, "rollback", "succeeded", name), 5: r.link(month, "", "failed", name)}
	if f.Deploys > 0 {
		row.Bar = f.rate()
	}
	return row
}

func (t table) scale() {
	highest := 0.0
	for _, row := range t.Rows {
		highest = max(highest, row.Bar)
	}
	for i := range t.Rows {
		if highest > 0 {
			t.Rows[i].Bar = round(t.Rows[i].Bar/highest, 3)
		}
	}
}
