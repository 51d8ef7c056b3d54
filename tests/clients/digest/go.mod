module example.invalid/digest-client

go 1.26.0

require (
	github.com/icholy/digest v1.2.0
	github.com/mongodb-forks/digest v1.1.0
)
