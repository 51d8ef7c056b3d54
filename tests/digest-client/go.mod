module example.invalid/digest-client

go 1.26.8

require (
	github.com/icholy/digest v1.2.0 // indirect
	github.com/mongodb-forks/digest v1.1.0 // indirect
)
