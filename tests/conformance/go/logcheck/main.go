// Logcheck reads a log that Datahub wrote with two implementations that are not ours: Tessera's fsck recomputes the
// whole log, and golang.org/x/mod/sumdb opens the checkpoint, authenticates tiles and checks our proofs.
//
//	logcheck FOLDER ORIGIN VKEY [INDEX OLD-SIZE]   (proofs come on standard input, one base64 hash a line, each
//	                                               proof ended by an empty line: inclusion, then consistency)
package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/transparency-dev/formats/log"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("ok")
}

func run(args []string) error {
	folder, origin := args[0], args[1]
	verifier, err := note.NewVerifier(args[2])
	if err != nil {
		return fmt.Errorf("vkey: %w", err)
	}
	check := fsck.New(origin, verifier, client.FileFetcher{Root: folder}, leafHashes, fsck.Opts{N: 2})
	if err := check.Check(context.Background()); err != nil {
		return fmt.Errorf("tessera fsck: %w", err)
	}
	raw, err := os.ReadFile(filepath.Join(folder, "checkpoint"))
	if err != nil {
		return err
	}
	head, _, _, err := log.ParseCheckpoint(raw, origin, verifier)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	tree := tlog.Tree{N: int64(head.Size), Hash: tlog.Hash(head.Hash)}
	if len(args) < 5 {
		return nil
	}
	return checkProofs(folder, tree, args[3], args[4])
}

// checkProofs makes both proofs anew from our tiles, which sumdb authenticates, and compares them with ours.
func checkProofs(folder string, tree tlog.Tree, index, oldSize string) error {
	number, err := strconv.ParseInt(index, 10, 64)
	if err != nil {
		return err
	}
	old, err := strconv.ParseInt(oldSize, 10, 64)
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(os.Stdin)
	included, consistent := readProof(lines), readProof(lines)
	reader := tlog.TileHashReader(tree, tiles{folder})
	record, err := tlog.ProveRecord(tree.N, number, reader)
	if err != nil {
		return fmt.Errorf("tiles: %w", err)
	}
	hashes, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(0, number)})
	if err != nil {
		return err
	}
	if err := tlog.CheckRecord(tlog.RecordProof(included), tree.N, tree.Hash, number, hashes[0]); err != nil {
		return fmt.Errorf("our inclusion proof: %w", err)
	}
	if fmt.Sprint(record) != fmt.Sprint(tlog.RecordProof(included)) {
		return fmt.Errorf("our inclusion proof is another one than sumdb's")
	}
	was, err := tlog.TreeHash(old, reader)
	if err != nil {
		return err
	}
	if err := tlog.CheckTree(tlog.TreeProof(consistent), tree.N, tree.Hash, old, was); err != nil {
		return fmt.Errorf("our consistency proof: %w", err)
	}
	return nil
}

func readProof(lines *bufio.Scanner) []tlog.Hash {
	proof := []tlog.Hash{}
	for lines.Scan() && lines.Text() != "" {
		var hash tlog.Hash
		data, _ := base64.StdEncoding.DecodeString(lines.Text())
		copy(hash[:], data)
		proof = append(proof, hash)
	}
	return proof
}

func leafHashes(bundle []byte) ([][]byte, error) {
	entries := &api.EntryBundle{}
	if err := entries.UnmarshalText(bundle); err != nil {
		return nil, err
	}
	hashes := make([][]byte, 0, len(entries.Entries))
	for _, entry := range entries.Entries {
		hashes = append(hashes, rfc6962.DefaultHasher.HashLeaf(entry))
	}
	return hashes, nil
}

// tiles gives sumdb our tiles: it names them with their height, C2SP tlog-tiles does not.
type tiles struct{ folder string }

func (t tiles) Height() int { return 8 }

func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range wanted {
		data, err := os.ReadFile(filepath.Join(t.folder, "tile"+tile.Path()[len("tile/8"):]))
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}
