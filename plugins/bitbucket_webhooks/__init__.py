"""The receiver of Bitbucket's webhooks: a small application that may face the internet alone."""
