package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/google/go-containerregistry/pkg/compression"
	"github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// image is one entry of the file that push reads.
type image struct {
	Name        string   `json:"name"`
	Root        string   `json:"root"`
	Entrypoint  []string `json:"entrypoint"`
	Command     []string `json:"command"`
	Environment []string `json:"environment"`
	User        string   `json:"user"`
}

func pushAll(registry, path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var images []image
	if err := json.Unmarshal(text, &images); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for _, wanted := range images {
		if err := push(registry, wanted); err != nil {
			return fmt.Errorf("%s: %w", wanted.Name, err)
		}
		fmt.Println(wanted.Name)
	}
	return nil
}

func push(registry string, wanted image) error {
	target, err := inRegistry(registry, wanted.Name)
	if err != nil {
		return err
	}
	// zstd: hosts unpack it several times faster than gzip.
	layer, err := tarball.LayerFromOpener(
		func() (io.ReadCloser, error) { return archive(wanted.Root), nil },
		tarball.WithCompression(compression.ZStd),
		tarball.WithCompressionLevel(3),
		tarball.WithMediaType(types.OCILayerZStd),
	)
	if err != nil {
		return err
	}
	assembled, err := mutate.AppendLayers(mutate.MediaType(empty.Image, types.OCIManifestSchema1), layer)
	if err != nil {
		return err
	}
	assembled = mutate.ConfigMediaType(assembled, types.OCIConfigJSON)
	assembled, err = mutate.ConfigFile(assembled, configuration(assembled, wanted))
	if err != nil {
		return err
	}
	return remote.Write(target, assembled)
}

func configuration(assembled v1.Image, wanted image) *v1.ConfigFile {
	configuration := &v1.ConfigFile{
		Architecture: runtime.GOARCH,
		OS:           "linux",
		Config: v1.Config{
			Entrypoint: wanted.Entrypoint,
			Cmd:        wanted.Command,
			Env:        wanted.Environment,
			User:       wanted.User,
		},
	}
	if before, err := assembled.ConfigFile(); err == nil {
		configuration.RootFS = before.RootFS
		configuration.History = before.History
	}
	return configuration
}

// archive streams a folder as a tar archive that depends on nothing but names, modes and contents.
func archive(root string) io.ReadCloser {
	reader, writer := io.Pipe()
	go func() {
		tape := tar.NewWriter(writer)
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || path == root {
				return err
			}
			return add(tape, root, path, entry)
		})
		if err == nil {
			err = tape.Close()
		}
		writer.CloseWithError(err)
	}()
	return reader
}

func add(tape *tar.Writer, root, path string, entry fs.DirEntry) error {
	info, err := entry.Info()
	if err != nil {
		return err
	}
	var link string
	if info.Mode()&fs.ModeSymlink != 0 {
		if link, err = os.Readlink(path); err != nil {
			return err
		}
	}
	header, err := tar.FileInfoHeader(info, link)
	if err != nil {
		return err
	}
	name, err := filepath.Rel(root, path)
	if err != nil {
		return err
	}
	clean := &tar.Header{Name: name, Typeflag: header.Typeflag, Mode: header.Mode, Linkname: link, Size: header.Size}
	if entry.IsDir() {
		clean.Name += "/"
	}
	if err := tape.WriteHeader(clean); err != nil {
		return err
	}
	var content io.Reader = bytes.NewReader(nil)
	if info.Mode().IsRegular() {
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		content = file
	}
	_, err = io.Copy(tape, content)
	return err
}
