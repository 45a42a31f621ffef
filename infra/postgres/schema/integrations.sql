-- Generated from the migrations by `./taskw schema:write`; compared in `./taskw check`. Never edit, never run.
CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.idempotency_key (
    organization_id uuid NOT NULL,
    route text NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    status smallint,
    body json,
    created_at timestamp with time zone NOT NULL
);
CREATE TABLE public.inbox (
    id uuid NOT NULL,
    received_at timestamp with time zone NOT NULL
);
CREATE TABLE public.integration (
    id uuid NOT NULL,
    organization_id uuid NOT NULL,
    name text NOT NULL,
    connector text NOT NULL,
    settings jsonb NOT NULL,
    revision integer DEFAULT 1 NOT NULL,
    created_by text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    secret_names text[] DEFAULT '{}'::text[] NOT NULL,
    key_id text,
    sealed bytea,
    CONSTRAINT ck_integration_sealed_has_key CHECK (((key_id IS NULL) = (sealed IS NULL)))
);
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.idempotency_key
    ADD CONSTRAINT pk_idempotency_key PRIMARY KEY (organization_id, route, key);
ALTER TABLE ONLY public.inbox
    ADD CONSTRAINT pk_inbox PRIMARY KEY (id);
ALTER TABLE ONLY public.integration
    ADD CONSTRAINT pk_integration PRIMARY KEY (id);
ALTER TABLE ONLY public.integration
    ADD CONSTRAINT uq_integration_organization_id_name UNIQUE (organization_id, name);
CREATE INDEX ix_idempotency_key_created_at ON public.idempotency_key USING btree (created_at);
CREATE INDEX ix_inbox_received_at ON public.inbox USING btree (received_at);
CREATE INDEX ix_integration_key_id ON public.integration USING btree (key_id, id);
ALTER TABLE public.idempotency_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.integration ENABLE ROW LEVEL SECURITY;
CREATE POLICY system ON public.idempotency_key TO integrations_system USING (true) WITH CHECK (true);
CREATE POLICY system ON public.integration TO integrations_system USING (true) WITH CHECK (true);
CREATE POLICY tenant ON public.idempotency_key TO integrations_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
CREATE POLICY tenant ON public.integration TO integrations_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
GRANT USAGE ON SCHEMA public TO integrations_api;
GRANT USAGE ON SCHEMA public TO integrations_system;
GRANT SELECT ON TABLE public.alembic_version TO integrations_api;
GRANT SELECT ON TABLE public.alembic_version TO integrations_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.idempotency_key TO integrations_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.idempotency_key TO integrations_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.inbox TO integrations_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.integration TO integrations_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.integration TO integrations_system;
