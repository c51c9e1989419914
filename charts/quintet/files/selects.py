"""Log in to Postgres by DATABASE_URL: a word of psql's would show its password to whoever lists processes."""

import os

import psycopg2

connection = psycopg2.connect(os.environ["DATABASE_URL"])
cursor = connection.cursor()
cursor.execute("SELECT current_user, version()")
print(*cursor.fetchone())
connection.close()
