package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"golang.org/x/crypto/bcrypt"
)

type passwordCommand struct {
	User string   `arg:"" optional:"" help:"The user whose line to print. Without one only the hash is printed."`
	Role []string `short:"r" placeholder:"ROLE" help:"A role of the user; may be repeated."`
}

// Validate is for the parser of the command line.
func (c *passwordCommand) Validate() error {
	if c.User == "" && len(c.Role) > 0 {
		return errors.New("--role needs a user")
	}
	for _, name := range append([]string{c.User}, c.Role...) {
		switch {
		case strings.ContainsFunc(name, func(r rune) bool { return r == ':' || r == ',' || !unicode.IsPrint(r) }):
			return fmt.Errorf("%q: a name has no colon, comma or control character", name)
		case name != strings.TrimSpace(name) || len(name) > 256 || strings.HasPrefix(name, "#"):
			return fmt.Errorf("%q: a name has at most 256 bytes, no space around it and no # before it", name)
		}
	}
	return nil
}

// Run reads a password and prints the line for the password-file of services-config.xml.
func (c *passwordCommand) Run(io std) error {
	password, err := newPassword(io)
	if err != nil {
		return err
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
	if err != nil {
		return err
	}
	line := string(hash)
	if c.User != "" {
		line = c.User + ":" + line
	}
	if len(c.Role) > 0 {
		line += ":" + strings.Join(c.Role, ",")
	}
	_, err = fmt.Fprintln(io.out, line)
	return err
}

// maxPassword is what bcrypt looks at, in bytes.
const maxPassword = 72

// newPassword asks for a password twice on a terminal; anywhere else it is the first line of standard input.
func newPassword(in std) (password string, err error) {
	if terminal(in.in) {
		if password, err = ask(in, "Password: "); err != nil {
			return "", err
		}
		again, err := ask(in, "Once more: ")
		if err != nil {
			return "", err
		}
		if again != password {
			return "", errors.New("the two passwords differ")
		}
	} else {
		line, err := bufio.NewReader(io.LimitReader(in.in, 4096)).ReadString('\n')
		if err != nil && err != io.EOF {
			return "", err
		}
		password = strings.TrimRight(line, "\r\n")
	}
	if password == "" || len(password) > maxPassword {
		return "", fmt.Errorf("a password has 1 to %d bytes", maxPassword)
	}
	return password, nil
}
