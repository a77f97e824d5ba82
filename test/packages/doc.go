// Package packages tests what is installed, not what is built: the packages'
// bytes, tables, scripts and signatures, and their behaviour on a machine whose
// service manager is a real systemd.
//
// Such a machine is a Debian made by debootstrap, with systemd as first process
// of namespaces of its own, on a copy in memory that is thrown away. It needs
// root, and is part of "make test-packages" alone; what needs neither time nor
// root runs with all other tests.
package packages
