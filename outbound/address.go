package outbound

import (
	"context"
	"net/netip"
	"slices"
	"syscall"
)

// forbidden are the addresses where a machine tells its own secrets: link-local, and the metadata services outside of it.
func forbidden() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("169.254.0.0/16"),
		netip.MustParsePrefix("fe80::/10"),
		netip.MustParsePrefix("fd00:ec2::254/128"),
		netip.MustParsePrefix("fd20:ce::254/128"),
		netip.MustParsePrefix("100.100.100.200/32"),
		netip.MustParsePrefix("64:ff9b::a9fe:0/112"), // 169.254.0.0/16 through NAT64
	}
}

// guard checks each resolved address just before it is connected to.
func guard(allow []netip.Prefix) func(context.Context, string, string, syscall.RawConn) error {
	deny := forbidden()
	return func(_ context.Context, _, address string, _ syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(address)
		if err != nil {
			return refused("address %q is no IP address with a port", address)
		}
		ip := ap.Addr().Unmap().WithZone("")
		holds := func(p netip.Prefix) bool { return p.Contains(ip) }
		if slices.ContainsFunc(deny, holds) && !slices.ContainsFunc(allow, holds) {
			return refused("address %s is link-local or serves cloud metadata; allow it explicitly if it is meant", ip)
		}
		return nil
	}
}
