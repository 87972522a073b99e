package lifecycle

import (
	"os"
	"testing"

	"verifier/testdata/memory"
)

func TestMain(m *testing.M) {
	memory.ForTemp()
	os.Exit(m.Run())
}
