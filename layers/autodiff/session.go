package autodiff

import (
	"errors"
	"fmt"

	G "gorgonia.org/gorgonia"

	"stillhouse/layers/internal/parallel"
	"stillhouse/layers/tensor"
)

// Session is a compiled graph. Run may be called any number of times, by one
// goroutine at a time.
type Session struct {
	g       *Graph
	machine G.VM
	memory  Memory
	nodes   int
}

// errCollision says that two nodes share Gorgonia's 32-bit hash.
var errCollision = errors.New("autodiff: two nodes share a hash")

// Build makes a graph, lets build fill it, and compiles it. build may be
// called again: Gorgonia merges nodes whose 32-bit hashes are equal without
// comparing them, so a graph in which two collide is made anew under another
// salt. p may be nil for one thread.
func Build(p *parallel.Pool, build func(g *Graph) error) (*Session, error) {
	for salt := uint64(0); ; salt++ {
		g, entered := newGraph(p, salt), p.Entered()
		if err := build(g); err != nil {
			return nil, err
		}
		s, err := g.compile()
		if errors.Is(err, errCollision) && salt < 8 {
			p.Enter(entered - p.Entered()) // this graph is not the one
			continue
		}
		return s, err
	}
}

func (g *Graph) compile() (*Session, error) {
	if err := checkHashes(g.g.AllNodes()); err != nil {
		return nil, err
	}
	m, err := g.plan()
	if err != nil {
		return nil, err
	}
	s := &Session{g: g, memory: m, nodes: len(g.g.AllNodes())}
	if !g.paper {
		s.machine = G.NewTapeMachine(g.g)
	}
	return s, nil
}

// checkHashes returns errCollision when two nodes have one hash.
func checkHashes(nodes G.Nodes) error {
	seen := make(map[uint32]*G.Node, len(nodes))
	for _, n := range nodes {
		h := n.Hashcode()
		if o := seen[h]; o != nil && o != n {
			return fmt.Errorf("%w: %v and %v", errCollision, o, n)
		}
		seen[h] = n
	}
	return nil
}

// Run executes the graph once over what its leaves hold now. A panic in a
// kernel comes back as a *PanicError.
func (s *Session) Run() error {
	if s.g.paper {
		panic("autodiff: Run: the graph is on paper: a leaf has no memory")
	}
	s.machine.Reset() // without it RunAll does nothing: the program counter is at the end
	s.g.failed = nil
	if err := s.machine.RunAll(); err != nil {
		if s.g.failed != nil {
			return s.g.failed
		}
		return fmt.Errorf("autodiff: run: %w", err)
	}
	return nil
}

// Value returns the memory of n's value: valid after Run for leaves and kept
// nodes, overwritten by later nodes otherwise.
func (s *Session) Value(n *G.Node) *tensor.Tensor { return s.g.values[n].t }

// Memory returns the bytes that outputs take; kernels' scratch is not in it.
func (s *Session) Memory() Memory { return s.memory }

// Nodes returns the number of nodes of the graph.
func (s *Session) Nodes() int { return s.nodes }

// Close lets go of the machine.
func (s *Session) Close() error {
	if s.machine == nil {
		return nil
	}
	return s.machine.Close()
}
