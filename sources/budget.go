package sources

// BudgetConfig is how much a source may be asked.
type BudgetConfig struct {
	PerSecond float64 `yaml:"per_second"` // questions; 0 is no limit
	AtOnce    int     `yaml:"at_once"`    // calls under way; default 10
}

func (c BudgetConfig) atOnce() int {
	if c.AtOnce <= 0 {
		return 10
	}
	return c.AtOnce
}
