"""What the user gives: files, options, parameters, stars and regions."""
