"""The first tables; events and artifacts accept new rows only."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    "artifacts",
    "budgets",
    "projects",
    "briefs",
    "runs",
    "approvals",
    "events",
    "executions",
    "generations",
    "model_calls",
    "releases",
    "results",
    "run_calls",
    "work_items",
    "reservations",
)

STATEMENTS = (
    """
    CREATE TABLE artifacts (
        digest TEXT NOT NULL,
        kind TEXT NOT NULL,
        body BYTEA NOT NULL,
        written_at timestamptz DEFAULT now() NOT NULL,
        CONSTRAINT artifacts_pkey PRIMARY KEY (digest)
    )
    """,
    """
    CREATE TABLE budgets (
        scope TEXT NOT NULL,
        key TEXT NOT NULL,
        cap NUMERIC(18, 8),
        reserved NUMERIC(18, 8) DEFAULT 0 NOT NULL,
        spent NUMERIC(18, 8) DEFAULT 0 NOT NULL,
        CONSTRAINT budgets_pkey PRIMARY KEY (scope, key),
        CONSTRAINT budgets_positive_check CHECK (reserved >= 0 AND spent >= 0)
    )
    """,
    """
    CREATE TABLE projects (
        slug TEXT NOT NULL,
        title TEXT NOT NULL,
        sequence BIGINT DEFAULT 0 NOT NULL,
        head TEXT NOT NULL,
        opened_at timestamptz DEFAULT now() NOT NULL,
        CONSTRAINT projects_pkey PRIMARY KEY (slug)
    )
    """,
    """
    CREATE TABLE briefs (
        project TEXT NOT NULL,
        digest TEXT NOT NULL,
        number BIGINT GENERATED ALWAYS AS IDENTITY,
        brief JSONB NOT NULL,
        written_at timestamptz DEFAULT now() NOT NULL,
        CONSTRAINT briefs_pkey PRIMARY KEY (project, digest),
        CONSTRAINT briefs_project_fkey
            FOREIGN KEY(project) REFERENCES projects (slug),
        CONSTRAINT briefs_number_key UNIQUE (number)
    )
    """,
    """
    CREATE TABLE runs (
        id TEXT NOT NULL,
        number BIGINT GENERATED ALWAYS AS IDENTITY,
        project TEXT NOT NULL,
        brief TEXT NOT NULL,
        policy TEXT NOT NULL,
        policy_body JSONB NOT NULL,
        state TEXT NOT NULL,
        opened_at timestamptz DEFAULT now() NOT NULL,
        ended_at timestamptz,
        CONSTRAINT runs_pkey PRIMARY KEY (id),
        CONSTRAINT runs_project_brief_fkey
            FOREIGN KEY(project, brief) REFERENCES briefs (project, digest),
        CONSTRAINT runs_number_key UNIQUE (number)
    )
    """,
    "CREATE INDEX runs_project_number_idx ON runs (project, number)",
    """
    CREATE TABLE approvals (
        id TEXT NOT NULL,
        number BIGINT GENERATED ALWAYS AS IDENTITY,
        project TEXT NOT NULL,
        run TEXT NOT NULL,
        gate TEXT NOT NULL,
        subject TEXT NOT NULL,
        ask INTEGER NOT NULL,
        shown TEXT NOT NULL,
        asked_at timestamptz DEFAULT now() NOT NULL,
        expires_at timestamptz,
        decision TEXT,
        who TEXT,
        comment TEXT,
        decided_at timestamptz,
        CONSTRAINT approvals_pkey PRIMARY KEY (id),
        CONSTRAINT approvals_project_gate_subject_ask_key UNIQUE (project, gate, subject, ask),
        CONSTRAINT approvals_decision_check CHECK (decision IN ('approve', 'revise', 'reject')),
        CONSTRAINT approvals_who_check CHECK ((decision IS NULL) = (who IS NULL)),
        CONSTRAINT approvals_number_key UNIQUE (number),
        CONSTRAINT approvals_project_fkey
            FOREIGN KEY(project) REFERENCES projects (slug),
        CONSTRAINT approvals_run_fkey
            FOREIGN KEY(run) REFERENCES runs (id),
        CONSTRAINT approvals_shown_fkey
            FOREIGN KEY(shown) REFERENCES artifacts (digest)
    )
    """,
    "CREATE INDEX approvals_run_idx ON approvals (run)",
    """
    CREATE TABLE events (
        project TEXT NOT NULL,
        sequence BIGINT NOT NULL,
        run TEXT NOT NULL,
        execution TEXT NOT NULL,
        kind TEXT NOT NULL,
        from_state TEXT,
        to_state TEXT,
        actor TEXT NOT NULL,
        payload JSONB NOT NULL,
        at TEXT NOT NULL,
        previous TEXT NOT NULL,
        hash TEXT NOT NULL,
        committed_at timestamptz DEFAULT now() NOT NULL,
        CONSTRAINT events_pkey PRIMARY KEY (project, sequence),
        CONSTRAINT events_project_fkey
            FOREIGN KEY(project) REFERENCES projects (slug),
        CONSTRAINT events_run_fkey
            FOREIGN KEY(run) REFERENCES runs (id)
    )
    """,
    "CREATE INDEX events_run_idx ON events (run)",
    """
    CREATE TABLE executions (
        id TEXT NOT NULL,
        run TEXT NOT NULL,
        number INTEGER NOT NULL,
        flow_run TEXT,
        host TEXT NOT NULL,
        pid INTEGER NOT NULL,
        opened_at timestamptz DEFAULT now() NOT NULL,
        ended_at timestamptz,
        outcome TEXT,
        CONSTRAINT executions_pkey PRIMARY KEY (id),
        CONSTRAINT executions_run_number_key UNIQUE (run, number),
        CONSTRAINT executions_run_fkey
            FOREIGN KEY(run) REFERENCES runs (id)
    )
    """,
    """
    CREATE TABLE generations (
        number BIGINT GENERATED ALWAYS AS IDENTITY,
        project TEXT NOT NULL,
        key TEXT NOT NULL,
        suite TEXT NOT NULL,
        candidate TEXT NOT NULL,
        evidence TEXT NOT NULL,
        run TEXT NOT NULL,
        accepted_at timestamptz DEFAULT now() NOT NULL,
        superseded_at timestamptz,
        CONSTRAINT generations_pkey PRIMARY KEY (number),
        CONSTRAINT generations_project_fkey
            FOREIGN KEY(project) REFERENCES projects (slug),
        CONSTRAINT generations_suite_fkey
            FOREIGN KEY(suite) REFERENCES artifacts (digest),
        CONSTRAINT generations_candidate_fkey
            FOREIGN KEY(candidate) REFERENCES artifacts (digest),
        CONSTRAINT generations_evidence_fkey
            FOREIGN KEY(evidence) REFERENCES artifacts (digest),
        CONSTRAINT generations_run_fkey
            FOREIGN KEY(run) REFERENCES runs (id)
    )
    """,
    "CREATE UNIQUE INDEX generations_current_idx ON generations (project, key) WHERE superseded_at IS NULL",
    """
    CREATE TABLE model_calls (
        digest TEXT NOT NULL,
        state TEXT NOT NULL,
        agent TEXT NOT NULL,
        subject TEXT NOT NULL,
        tier TEXT NOT NULL,
        model TEXT NOT NULL,
        request BYTEA NOT NULL,
        answer BYTEA,
        finish TEXT,
        input_tokens INTEGER,
        output_tokens INTEGER,
        cached_tokens INTEGER,
        estimate NUMERIC(18, 8) NOT NULL,
        cost NUMERIC(18, 8) DEFAULT 0 NOT NULL,
        wasted NUMERIC(18, 8) DEFAULT 0 NOT NULL,
        overrun BOOLEAN DEFAULT false NOT NULL,
        error TEXT,
        owner TEXT NOT NULL,
        run TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        asked_at timestamptz DEFAULT now() NOT NULL,
        answered_at timestamptz,
        CONSTRAINT model_calls_pkey PRIMARY KEY (digest),
        CONSTRAINT model_calls_state_check CHECK (state IN ('in_flight', 'done', 'failed')),
        CONSTRAINT model_calls_answered_check CHECK (state <> 'done' OR answer IS NOT NULL),
        CONSTRAINT model_calls_run_fkey
            FOREIGN KEY(run) REFERENCES runs (id)
    )
    """,
    "CREATE INDEX model_calls_in_flight_idx ON model_calls (digest) WHERE state = 'in_flight'",
    """
    CREATE TABLE releases (
        project TEXT NOT NULL,
        version TEXT NOT NULL,
        number BIGINT GENERATED ALWAYS AS IDENTITY,
        run TEXT NOT NULL,
        tree TEXT NOT NULL,
        commit TEXT NOT NULL,
        manifest TEXT NOT NULL,
        files TEXT NOT NULL,
        supersedes TEXT,
        status TEXT NOT NULL,
        released_at timestamptz DEFAULT now() NOT NULL,
        CONSTRAINT releases_pkey PRIMARY KEY (project, version),
        CONSTRAINT releases_project_supersedes_fkey
            FOREIGN KEY(project, supersedes) REFERENCES releases (project, version),
        CONSTRAINT releases_status_check CHECK (status IN ('promoted', 'kept')),
        CONSTRAINT releases_project_fkey
            FOREIGN KEY(project) REFERENCES projects (slug),
        CONSTRAINT releases_number_key UNIQUE (number),
        CONSTRAINT releases_run_fkey
            FOREIGN KEY(run) REFERENCES runs (id),
        CONSTRAINT releases_manifest_fkey
            FOREIGN KEY(manifest) REFERENCES artifacts (digest),
        CONSTRAINT releases_files_fkey
            FOREIGN KEY(files) REFERENCES artifacts (digest)
    )
    """,
    "CREATE INDEX releases_run_idx ON releases (run)",
    """
    CREATE TABLE results (
        key TEXT NOT NULL,
        stage TEXT NOT NULL,
        outcome TEXT NOT NULL,
        answer TEXT NOT NULL,
        run TEXT NOT NULL,
        item TEXT,
        recorded_at timestamptz DEFAULT now() NOT NULL,
        CONSTRAINT results_pkey PRIMARY KEY (key),
        CONSTRAINT results_answer_fkey
            FOREIGN KEY(answer) REFERENCES artifacts (digest),
        CONSTRAINT results_run_fkey
            FOREIGN KEY(run) REFERENCES runs (id)
    )
    """,
    "CREATE INDEX results_run_idx ON results (run)",
    """
    CREATE TABLE run_calls (
        run TEXT NOT NULL,
        request TEXT NOT NULL,
        agent TEXT NOT NULL,
        subject TEXT NOT NULL,
        attempt INTEGER NOT NULL,
        inputs TEXT NOT NULL,
        replayed BOOLEAN DEFAULT true NOT NULL,
        charged NUMERIC(18, 8) DEFAULT 0 NOT NULL,
        told_at timestamptz DEFAULT now() NOT NULL,
        CONSTRAINT run_calls_pkey PRIMARY KEY (run, request),
        CONSTRAINT run_calls_run_agent_subject_attempt_key UNIQUE (run, agent, subject, attempt),
        CONSTRAINT run_calls_run_fkey
            FOREIGN KEY(run) REFERENCES runs (id)
    )
    """,
    """
    CREATE TABLE work_items (
        run TEXT NOT NULL,
        id TEXT NOT NULL,
        project TEXT NOT NULL,
        key TEXT NOT NULL,
        title TEXT NOT NULL,
        position INTEGER NOT NULL,
        body TEXT NOT NULL,
        reason TEXT NOT NULL,
        CONSTRAINT work_items_pkey PRIMARY KEY (run, id),
        CONSTRAINT work_items_run_fkey
            FOREIGN KEY(run) REFERENCES runs (id),
        CONSTRAINT work_items_project_fkey
            FOREIGN KEY(project) REFERENCES projects (slug),
        CONSTRAINT work_items_body_fkey
            FOREIGN KEY(body) REFERENCES artifacts (digest)
    )
    """,
    "CREATE INDEX work_items_project_key_idx ON work_items (project, key)",
    """
    CREATE TABLE reservations (
        request TEXT NOT NULL,
        scope TEXT NOT NULL,
        key TEXT NOT NULL,
        amount NUMERIC(18, 8) NOT NULL,
        CONSTRAINT reservations_pkey PRIMARY KEY (request, scope, key),
        CONSTRAINT reservations_scope_key_fkey
            FOREIGN KEY(scope, key) REFERENCES budgets (scope, key),
        CONSTRAINT reservations_request_fkey
            FOREIGN KEY(request) REFERENCES model_calls (digest)
    )
    """,
)

REFUSE = """
    CREATE FUNCTION phoenix_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'table % is append-only: % is refused', TG_TABLE_NAME, TG_OP
            USING ERRCODE = 'restrict_violation';
    END $$
"""


def upgrade() -> None:
    """Create the tables and the triggers that guard them."""
    for statement in STATEMENTS:
        op.execute(statement)
    op.execute(REFUSE)
    for table in ("events", "artifacts"):
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION phoenix_append_only()"
        )
        op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_append_only")


def downgrade() -> None:
    """Drop everything."""
    for table in reversed(TABLES):
        op.drop_table(table)
    op.execute("DROP FUNCTION phoenix_append_only()")
